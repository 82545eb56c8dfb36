import { Worker } from 'node:worker_threads'
import { AppError } from '../contract/errors.ts'
import type { Log } from '../observe/log.ts'
import type { FromTraffic, ToTraffic, TrafficNode, TrafficStart } from './traffic-messages.ts'

const READY_TIMEOUT_MS = 15_000
const CALL_TIMEOUT_MS = 5_000

type Ready = Extract<FromTraffic, { type: 'ready' }>
type Asked = ToTraffic extends infer Message
  ? Message extends ToTraffic
    ? Omit<Message, 'id'>
    : never
  : never

/** The demo's traffic thread, seen from the main thread. Calls reject with `ERR_INTERNAL` when it does not answer within 5 s. */
export class Traffic {
  readonly #worker: Worker
  readonly #log: Log
  readonly #calls = new Map<number, { resolve(): void; reject(error: Error): void }>()
  readonly #exited: Promise<void>
  #ended = false
  #lastId = 0

  private constructor(worker: Worker, log: Log) {
    this.#worker = worker
    this.#log = log
    this.#exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#ended = true
        for (const call of this.#calls.values()) call.reject(this.#gone(`ended with code ${code}`))
        this.#calls.clear()
        resolve()
      })
    })
    worker.on('error', (error) =>
      this.#log.error({ err: error }, "the demo's traffic thread crashed; the demo fleet has no traffic now"),
    )
    worker.on('message', (message: FromTraffic) => {
      if (message.type !== 'done') return
      const call = this.#calls.get(message.id)
      this.#calls.delete(message.id)
      if (message.error === undefined) call?.resolve()
      else call?.reject(this.#gone(message.error))
    })
  }

  /** Starts the thread; resolves with where its endpoints listen. */
  static async start(start: TrafficStart, log: Log): Promise<{ traffic: Traffic; ready: Ready }> {
    const worker = new Worker(new URL('./traffic-worker.ts', import.meta.url), {
      name: 'demo-traffic',
      workerData: start,
    })
    const traffic = new Traffic(worker, log)
    let timer: NodeJS.Timeout | undefined
    try {
      const ready = await new Promise<Ready>((resolve, reject) => {
        worker.on('message', (message: FromTraffic) => {
          if (message.type === 'ready') resolve(message)
          if (message.type === 'failed') reject(traffic.#gone(message.message))
        })
        void traffic.#exited.then(() => reject(traffic.#gone('ended before it had started')))
        timer = setTimeout(
          () => reject(traffic.#gone(`did not start within ${READY_TIMEOUT_MS / 1000} s`)),
          READY_TIMEOUT_MS,
        )
      })
      return { traffic, ready }
    } catch (error) {
      await worker.terminate()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Hosts dial in, visitors come. */
  begin(nodes: TrafficNode[]): Promise<void> {
    return this.#ask({ type: 'begin', nodes })
  }

  /** A node came back with another control address. */
  moved(node: TrafficNode): Promise<void> {
    return this.#ask({ type: 'moved', node })
  }

  setStuck(node: string, on: boolean): Promise<void> {
    return this.#ask({ type: 'stuck', node, on })
  }

  /** Ends hosts and visitors; endpoints stay, so that what nodes have in flight still finishes. */
  async stop(): Promise<void> {
    if (!this.#ended) await this.#ask({ type: 'stop' })
  }

  async close(): Promise<void> {
    if (this.#ended) return
    try {
      await this.#ask({ type: 'close' })
    } catch (error) {
      this.#log.warn({ err: error }, "the demo's traffic thread did not end in order")
    }
    // By now it has nothing left to do; a handle that somebody forgot must not keep the process.
    await this.#worker.terminate()
    await this.#exited
  }

  #ask(asked: Asked): Promise<void> {
    if (this.#ended) return Promise.reject(this.#gone('has ended'))
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(id)
        reject(this.#gone(`did not answer "${asked.type}" within ${CALL_TIMEOUT_MS / 1000} s`))
      }, CALL_TIMEOUT_MS)
      const settle =
        <T extends unknown[]>(run: (...values: T) => void) =>
        (...values: T): void => {
          clearTimeout(timer)
          run(...values)
        }
      this.#calls.set(id, { resolve: settle(resolve), reject: settle(reject) })
      this.#worker.postMessage({ ...asked, id } satisfies ToTraffic)
    })
  }

  #gone(what: string): AppError {
    return new AppError('ERR_INTERNAL', `The demo's traffic thread ${what}`)
  }
}
