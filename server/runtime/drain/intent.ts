import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../../contract/errors.ts'
import { nodeCordonSchema, nodeDrainSchema } from '../../contract/node-api.ts'
import type { Log } from '../../observe/log.ts'
import { Turn } from '../../time/turn.ts'

const intentSchema = z.object({
  drain: nodeDrainSchema.extend({ acceptedAt: z.iso.datetime() }).optional(),
  cordon: nodeCordonSchema.optional(),
})

/** What an operator wants of this node beyond serving; it outlives the process. */
export type NodeIntent = z.infer<typeof intentSchema>

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const readIntent = async (path: string, log: Log): Promise<NodeIntent> => {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw new AppError('ERR_DATA_FOLDER', `The drain wish ${path} cannot be read`, { path }, { cause: error })
  }
  try {
    return intentSchema.parse(JSON.parse(text))
  } catch (error) {
    // The file is only ever renamed into place whole, so this is somebody's edit. To serve, and to say so, is the safe reading: a node
    // must never be out of service silently.
    log.warn({ err: error, path }, 'the drain wish is not readable and is ignored: this node will serve')
    return {}
  }
}

/** The durable wish of one node, in `<data>/intent.json` (0600). Written before the node acts on it. */
export class IntentFile {
  readonly #path: string | null
  // One writer at a time: two renames from one temporary name would lose one of them.
  readonly #turn = new Turn()
  #current: NodeIntent

  private constructor(path: string | null, current: NodeIntent) {
    this.#path = path
    this.#current = current
  }

  /**
   * Opens the wish of the node whose data folder this is; without a folder (a library user that gave none) the wish lives in
   * memory alone. Throws `ERR_DATA_FOLDER` when the folder cannot be made or read.
   */
  static async open(dataDir: string | undefined, log: Log): Promise<IntentFile> {
    if (dataDir === undefined) return new IntentFile(null, {})
    try {
      await mkdir(dataDir, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new AppError(
        'ERR_DATA_FOLDER',
        `The data folder ${dataDir} cannot be made`,
        { path: dataDir },
        { cause: error },
      )
    }
    const path = join(dataDir, 'intent.json')
    return new IntentFile(path, await readIntent(path, log))
  }

  /** The wish as last read or written. */
  get current(): NodeIntent {
    return this.#current
  }

  /** Replaces the wish: temporary file, fsync, rename, fsync of the folder. Throws `ERR_DATA_FOLDER`. */
  write(intent: NodeIntent): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#path !== null) await replace(this.#path, intent)
      this.#current = intent
    })
  }
}

const replace = async (path: string, intent: NodeIntent): Promise<void> => {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(intent, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => undefined) // It may not exist; the fault below is what matters.
    throw new AppError(
      'ERR_DATA_FOLDER',
      `The drain wish cannot be written to ${path}`,
      { path },
      { cause: error },
    )
  }
}
