import { parentPort, workerData } from 'node:worker_threads'
import { AppError } from '../../contract/errors.ts'
import { createLog } from '../../observe/log.ts'
import { connectDirectory } from '../directory/shared.ts'
import { createNode } from '../node/node.ts'
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts'

/** The thread of one embedded node: started by `embed.ts`, never imported. */
const run = async (): Promise<void> => {
  const port = parentPort
  if (port === null) throw new Error('worker.ts runs in a worker thread only')
  const { config, dataDir, env, logLevel, directory, budget } = workerData as WorkerStart
  const post = (message: FromWorker): void => port.postMessage(message)
  const shared = directory === null ? undefined : connectDirectory(directory)
  const log = createLog('node', logLevel)
  const node = createNode(config, {
    dataDir,
    env,
    log,
    ...(shared === undefined ? {} : { directory: shared }),
    ...(budget === null ? {} : { budget }),
  })

  const finish = async (end: () => Promise<void>): Promise<void> => {
    try {
      await end()
    } catch (error) {
      log.error({ err: error }, 'the node could not end cleanly')
    }
    shared?.close()
    // Ends only this thread, whatever handle a part may have left.
    process.exit(0)
  }

  // Before the start, so that a signal that arrives meanwhile is handled.
  port.on('message', (message: ToWorker) => {
    if (message.type === 'drain') void finish(() => node.drainForSignal(message.signal))
    else void finish(() => node.close())
  })

  try {
    await node.start()
  } catch (error) {
    shared?.close()
    const known = error instanceof AppError ? error : null
    post({
      type: 'failed',
      code: known?.code ?? null,
      message: error instanceof Error ? error.message : String(error),
      facts: known?.facts ?? {},
    })
    // The port is let go, and the thread ends by itself once the message has left.
    port.close()
    return
  }
  node.events.subscribe(({ type }) => {
    if (type !== 'node.state_changed' && type !== 'route.changed') return
    post({ type: 'listeners', listeners: node.listeners() })
  })
  post({ type: 'started', controlUrl: node.control?.url ?? '', listeners: node.listeners() })
}

await run()
