import { isDeepStrictEqual } from 'node:util'
import type { NodeConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import type { Directory } from '../directory/directory.ts'
import { createMemoryDirectory } from '../directory/memory.ts'
import { type EmbeddedNode, type EmbedOptions, startEmbeddedNode } from './embed.ts'
import { KeptNode } from './kept-node.ts'

export interface EmbeddedFleetOptions {
  nodes: readonly NodeConfig[]
  /** Folder of one node: its drain wish and its files. */
  dataDirOf(node: string): string
  env: Record<string, string | undefined>
  log: Log
  /** Default: `startEmbeddedNode`. */
  startNode?: (options: EmbedOptions) => Promise<EmbeddedNode>
}

/** One embedded node as the collector reaches it. */
export interface EmbeddedTarget {
  id: string
  region: string
  kind: 'tidegate'
  url: string
  token: string
  embedded: true
}

/** The discard port, where nothing answers: a poll is refused at once and says so. */
const NOWHERE = 'http://127.0.0.1:9'

interface Place {
  /** The configuration that it runs with. */
  readonly config: NodeConfig
  readonly kept: KeptNode
}

/**
 * The nodes that one collector embeds, each in its own worker thread, with one tunnel directory between them. One that cannot start or
 * crashes is tried again; the others go on.
 */
export class EmbeddedFleet {
  readonly #options: EmbeddedFleetOptions
  readonly #directory: Directory = createMemoryDirectory()
  #places: Map<string, Place>
  /** Nodes that left the configuration and still drain, until each has ended. */
  readonly #leaving = new Map<string, { kept: KeptNode; ended: Promise<void> }>()
  #moved: (id: string, url: string, token: string) => void = () => undefined
  #isStarted = false
  #isStopping = false

  constructor(options: EmbeddedFleetOptions) {
    this.#options = options
    this.#places = new Map(options.nodes.map((config) => [config.id, this.#placeOf(config)]))
  }

  /** Starts all; resolves when each has started or failed for the first time. */
  async start(): Promise<void> {
    this.#isStarted = true
    await Promise.all([...this.#places.values()].map(({ kept }) => kept.keep()))
  }

  /** Every node as the collector reaches it; one that could not start yet has an address where nothing answers. */
  nodes(): EmbeddedTarget[] {
    return [...this.#places.values()].map(targetOf)
  }

  /** Every node as it would be after `setNodes` with these. */
  nodesAfter(configs: readonly NodeConfig[]): EmbeddedTarget[] {
    return configs.map((config) => targetOf(this.#places.get(config.id) ?? { config, kept: null }))
  }

  /** Nodes whose entries differ from what they run with: they go on as they are until the next start. */
  changed(configs: readonly NodeConfig[]): string[] {
    return configs.flatMap((config) => {
      const place = this.#places.get(config.id)
      return place === undefined || isDeepStrictEqual(place.config, config) ? [] : [config.id]
    })
  }

  /** Takes a new set of nodes: one that came is started, one that left drains and ends, all others run on untouched. */
  setNodes(configs: readonly NodeConfig[]): void {
    if (this.#isStopping) return
    const wanted = new Map<string, Place>()
    const came: Place[] = []
    for (const config of configs) {
      const known = this.#places.get(config.id)
      const place = known ?? this.#placeOf(config)
      wanted.set(config.id, place)
      if (known === undefined) came.push(place)
    }
    for (const [id, { kept }] of this.#places) if (!wanted.has(id)) this.#leave(kept)
    this.#places = wanted
    if (this.#isStarted) for (const { kept } of came) void this.#begin(kept)
  }

  /** Called when a node has come (back) at another address. */
  onMoved(listener: (id: string, url: string, token: string) => void): void {
    this.#moved = listener
  }

  /** All nodes through their four phases, in parallel under one budget. */
  async drainForSignal(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#all().map((kept) => kept.drainForSignal()))
  }

  async close(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#all().map((kept) => kept.close()))
    this.#directory.close()
  }

  #all(): KeptNode[] {
    return [...this.#places.values(), ...this.#leaving.values()].map(({ kept }) => kept)
  }

  /** A node that came back while its former self still drains waits for that to end: both have the same ports and files. */
  async #begin(kept: KeptNode): Promise<void> {
    await this.#leaving.get(kept.id)?.ended
    if (!this.#isStopping && this.#places.get(kept.id)?.kept === kept) await kept.keep()
  }

  #leave(kept: KeptNode): void {
    const { log } = this.#options
    const before = this.#leaving.get(kept.id)?.ended
    log.info({ node: kept.id }, `node ${kept.id} is not in the configuration any more: it drains and ends`)
    const ended = (async () => {
      await before
      try {
        await kept.drainForSignal()
        log.info({ node: kept.id }, `node ${kept.id} has ended`)
      } catch (error) {
        log.error({ node: kept.id, err: error }, `node ${kept.id} did not drain in order`)
        await kept.kill()
      }
      if (this.#leaving.get(kept.id)?.kept === kept) this.#leaving.delete(kept.id)
    })()
    this.#leaving.set(kept.id, { kept, ended })
  }

  #placeOf(config: NodeConfig): Place {
    const { log, env, dataDirOf } = this.#options
    const kept = new KeptNode({
      id: config.id,
      log,
      start: () =>
        (this.#options.startNode ?? startEmbeddedNode)({
          config,
          dataDir: config.data ?? dataDirOf(config.id),
          env,
          log,
          ...(config.relay?.directory === 'shared' ? { directory: this.#directory } : {}),
        }),
      onStarted: (node) => this.#moved(config.id, node.controlUrl, node.controlToken),
    })
    return { config, kept }
  }
}

const targetOf = ({ config, kept }: { config: NodeConfig; kept: KeptNode | null }): EmbeddedTarget => ({
  id: config.id,
  region: config.region,
  kind: 'tidegate',
  url: kept?.node?.controlUrl ?? NOWHERE,
  token: kept?.node?.controlToken ?? '',
  embedded: true,
})
