import { AppError } from '../../contract/errors.ts'
import type { NodeConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import type { Directory } from '../directory/directory.ts'
import { createMemoryDirectory } from '../directory/memory.ts'
import { type EmbeddedNode, startEmbeddedNode } from './embed.ts'

export interface EmbeddedFleetOptions {
  nodes: readonly NodeConfig[]
  /** Folder of one node: its drain wish and its files. */
  dataDirOf(node: string): string
  env: Record<string, string | undefined>
  log: Log
}

const RESTART_MS = [1_000, 2_000, 5_000, 10_000] as const
/** A node that ran this long has recovered: its next crash begins the backoff anew. */
const STEADY_MS = 60_000
/** The discard port: where nothing answers, a poll is refused at once and says so. */
const NOWHERE = 'http://127.0.0.1:9'

interface Place {
  readonly config: NodeConfig
  node: EmbeddedNode | null
  /** A start that is under way; it never rejects. */
  starting: Promise<void> | null
  failures: number
  timer: NodeJS.Timeout | null
}

/**
 * The nodes that one collector embeds, each in its own worker thread, with one tunnel directory between them. A node that cannot
 * start (a port in use) or crashes is said in one sentence and tried again with a growing pause; the others go on.
 */
export class EmbeddedFleet {
  readonly #options: EmbeddedFleetOptions
  readonly #directory: Directory = createMemoryDirectory()
  readonly #places: Place[]
  #moved: (id: string, url: string, token: string) => void = () => undefined
  #stopping = false

  constructor(options: EmbeddedFleetOptions) {
    this.#options = options
    this.#places = options.nodes.map((config) => ({
      config,
      node: null,
      starting: null,
      failures: 0,
      timer: null,
    }))
  }

  /** Starts all; resolves when each has started or failed for the first time. */
  async start(): Promise<void> {
    await Promise.all(this.#places.map((place) => this.#begin(place)))
  }

  /** Every node as the collector reaches it; one that could not start yet has an address where nothing answers. */
  nodes(): { id: string; region: string; kind: 'tidegate'; url: string; token: string; embedded: true }[] {
    return this.#places.map(({ config, node }) => ({
      id: config.id,
      region: config.region,
      kind: 'tidegate',
      url: node?.controlUrl ?? NOWHERE,
      token: node?.controlToken ?? '',
      embedded: true,
    }))
  }

  /** Told when a node has come (back) at another address. */
  onMoved(listener: (id: string, url: string, token: string) => void): void {
    this.#moved = listener
  }

  /** All nodes through their four phases, in parallel under one budget. */
  async drainForSignal(): Promise<void> {
    await this.#stop()
    await Promise.all(this.#running().map((node) => node.drainForSignal()))
  }

  async close(): Promise<void> {
    await this.#stop()
    await Promise.all(this.#running().map((node) => node.close()))
    this.#directory.close()
  }

  #running(): EmbeddedNode[] {
    return this.#places.flatMap((place) => (place.node === null ? [] : [place.node]))
  }

  /** No node is started any more, and none is half-way when this resolves: it would come up behind the back of whoever stops. */
  async #stop(): Promise<void> {
    this.#stopping = true
    for (const place of this.#places) if (place.timer !== null) clearTimeout(place.timer)
    await Promise.all(this.#places.map(({ starting }) => starting))
  }

  async #begin(place: Place): Promise<void> {
    if (this.#stopping) return
    place.starting = this.#startOne(place)
    await place.starting
    place.starting = null
  }

  async #startOne(place: Place): Promise<void> {
    const { log, env, dataDirOf } = this.#options
    const { config } = place
    place.timer = null
    try {
      const node = await startEmbeddedNode({
        config,
        dataDir: config.data ?? dataDirOf(config.id),
        env,
        log,
        ...(config.relay?.directory === 'shared' ? { directory: this.#directory } : {}),
      })
      place.node = node
      const startedAt = performance.now()
      this.#moved(config.id, node.controlUrl, node.controlToken)
      void node.exited.then(({ code, error }) => {
        place.node = null
        if (this.#stopping) return
        if (performance.now() - startedAt > STEADY_MS) place.failures = 0
        log.error(
          { node: config.id, code, error },
          `node ${config.id} ended unexpectedly; it is started again`,
        )
        this.#retry(place)
      })
    } catch (error) {
      const sentence = error instanceof AppError ? error.message : `Node ${config.id} could not start`
      log.error(
        { node: config.id, err: error instanceof AppError ? undefined : error },
        `${sentence}; the other nodes go on`,
      )
      this.#retry(place)
    }
  }

  #retry(place: Place): void {
    if (this.#stopping) return
    const pause = RESTART_MS[Math.min(place.failures, RESTART_MS.length - 1)] ?? 10_000
    place.failures += 1
    place.timer = setTimeout(() => void this.#begin(place), pause)
  }
}
