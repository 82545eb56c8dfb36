import { AppError } from '../../contract/errors.ts'
import type { Log } from '../../observe/log.ts'
import { Backoff } from '../../time/backoff.ts'
import type { EmbeddedNode } from './embed.ts'

export interface KeptNodeOptions {
  id: string
  /** Starts the node. Rejects with an `AppError` where the reason is known. */
  start(): Promise<EmbeddedNode>
  /** Called each time that it has started. */
  onStarted(node: EmbeddedNode): void
  log: Log
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 10_000
/** A node that ran this long has recovered: its next crash starts the backoff from the beginning. */
const STEADY_MS = 60_000

/**
 * One node of this process that is kept running: one that crashes, or cannot start (a port in use), is reported in one sentence and
 * started again after a growing pause, until it is not wanted any more.
 */
export class KeptNode {
  readonly id: string
  readonly #options: KeptNodeOptions
  readonly #backoff = new Backoff({ baseMs: FIRST_PAUSE_MS, maxMs: LONGEST_PAUSE_MS, jitter: 0 })
  #node: EmbeddedNode | null = null
  /** A start that is under way. */
  #starting: Promise<void> | null = null
  #again: NodeJS.Timeout | null = null
  #isWanted = true

  constructor(options: KeptNodeOptions) {
    this.id = options.id
    this.#options = options
  }

  /** Null while it is not running. */
  get node(): EmbeddedNode | null {
    return this.#node
  }

  /** Starts it once and rejects where that fails; from then on it is kept running. */
  start(): Promise<void> {
    this.#isWanted = true
    if (this.#node !== null) return Promise.resolve()
    this.#starting ??= this.#startOnce().finally(() => {
      this.#starting = null
    })
    return this.#starting
  }

  /** Starts it, and again until it runs. Resolves after the first attempt; never rejects. */
  async keep(): Promise<void> {
    try {
      await this.start()
    } catch (error) {
      const { id, log } = this.#options
      const sentence = error instanceof AppError ? error.message : `Node ${id} could not start`
      log.error(
        { node: id, err: error instanceof AppError ? undefined : error },
        `${sentence}; it is tried again, and the other nodes go on`,
      )
      this.#later()
    }
  }

  /** Drains it through its phases. It is not started again. */
  async drainForSignal(): Promise<void> {
    await this.#let()
    await this.#node?.drainForSignal()
  }

  /** Ends it without a drain. It is not started again. */
  async close(): Promise<void> {
    await this.#let()
    await this.#node?.close()
  }

  /** Ends it as a crash would; it stays away until `start` or `keep`. */
  async kill(): Promise<void> {
    await this.#let()
    await this.#node?.terminate()
  }

  /** No start is half-way when this resolves: the node would otherwise come up after it was stopped. */
  async #let(): Promise<void> {
    this.#isWanted = false
    if (this.#again !== null) clearTimeout(this.#again)
    this.#again = null
    await this.#starting?.catch(() => undefined)
  }

  async #startOnce(): Promise<void> {
    const { id, log } = this.#options
    const node = await this.#options.start()
    if (!this.#isWanted) {
      await node.terminate()
      return
    }
    this.#node = node
    const startedAt = performance.now()
    void node.exited.then(({ code, error }) => {
      this.#node = null
      if (!this.#isWanted) return
      if (performance.now() - startedAt > STEADY_MS) this.#backoff.reset()
      log.error({ node: id, code, error }, `node ${id} ended unexpectedly; it is started again`)
      this.#later()
    })
    this.#options.onStarted(node)
  }

  #later(): void {
    if (!this.#isWanted || this.#again !== null) return
    this.#again = setTimeout(() => {
      this.#again = null
      void this.keep()
    }, this.#backoff.next())
  }
}
