import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DemoInfo, Scenario } from '../contract/answers/demo.ts'
import { type DrainBudget, readDrainBudget } from '../contract/drain-budget.ts'
import { AppError } from '../contract/errors.ts'
import { type NodeConfig, nodeConfigSchema } from '../contract/node-config.ts'
import type { Log } from '../observe/log.ts'
import type { Directory } from '../runtime/directory/directory.ts'
import { createMemoryDirectory } from '../runtime/directory/memory.ts'
import { type EmbeddedNode, type EmbedOptions, startEmbeddedNode } from '../runtime/embed/embed.ts'
import { KeptNode } from '../runtime/embed/kept-node.ts'
import {
  DEMO_HOSTS,
  DEMO_PLACES,
  DEMO_REGIONS,
  type DemoPlace,
  type DemoRegion,
  SPARE_HOSTS,
} from './demo-map.ts'
import { pickFreePorts } from './free-ports.ts'
import { Scenarios } from './scenarios.ts'
import { Traffic } from './traffic.ts'
import type { TrafficNode } from './traffic-messages.ts'

/** The demo's drain budgets where the environment does not name others: short, so that Ctrl-C is quick and a drain can be watched. */
export const DEMO_BUDGET_ENV = {
  SHUTDOWN_PRE_DRAIN_SECS: '1',
  SHUTDOWN_HTTP_DRAIN_SECS: '5',
  SHUTDOWN_TUNNEL_DRAIN_SECS: '3',
} as const
export const DEMO_MARGIN_SECONDS = 2

/** A stuck endpoint shows as failures within this. */
const PUSH_REQUEST_TIMEOUT_MS = 5_000
const PORTS_PER_NODE = 4
const START_ATTEMPTS = 5

/** Starts one embedded node: `startEmbeddedNode` of the runtime. */
export type StartNode = (options: EmbedOptions) => Promise<EmbeddedNode>

export interface DemoFleetOptions {
  /** Data folder: `nodes/<id>` holds drain wishes and tokens, `demo` the push endpoints' certificate and key. */
  dataDir: string
  log: Log
  /** Default: the runtime's. */
  startNode?: StartNode
  /** `SHUTDOWN_*` here win over the demo's own budgets. Default: this process's environment. */
  env?: Record<string, string | undefined>
  /** Default: all. */
  regions?: readonly string[]
}

/** A node as the collector's configuration would name it. */
export interface DemoNodeAddress {
  id: string
  region: string
  kind: 'tidegate'
  url: string
  token: string
  embedded: true
}

export interface DemoFleet {
  /** Resolves when all nodes have started. Rejects, with nothing left, when one cannot start. */
  start(): Promise<void>
  /** Hosts dial in and visitors come. Throws `ERR_STARTING` before `start`. */
  startTraffic(): Promise<void>
  /** Told when a node came back with another control address, after a crash or `kill-node`. */
  onMoved(listener: (id: string, url: string, token: string) => void): void
  regions(): DemoRegion[]
  nodes(): DemoNodeAddress[]
  info(): DemoInfo
  scenarios(): Scenario[]
  /** Starts, or answers the one that runs. Throws `ERR_NOT_FOUND` (name or node), `ERR_CONFLICT` (runs on another node). */
  startScenario(name: string, node?: string): Promise<Scenario>
  /** Ends what runs; ending what does not run is no error. Throws `ERR_NOT_FOUND`. */
  endScenario(name: string): Promise<Scenario>
  /** Ends hosts and visitors within a few seconds; nodes and push endpoints go on. */
  stopTraffic(): Promise<void>
  /** All nodes through their phases, in parallel under one budget. */
  drainForSignal(): Promise<void>
  close(): Promise<void>
}

interface Place extends DemoPlace {
  config: NodeConfig
  readonly kept: KeptNode
  /** Where it is, or was last. */
  address: DemoNodeAddress | null
}

class BuiltDemoFleet implements DemoFleet {
  readonly #options: DemoFleetOptions
  readonly #log: Log
  readonly #budget: DrainBudget
  readonly #directory: Directory = createMemoryDirectory()
  readonly #hostTokens = Object.fromEntries(
    [...DEMO_HOSTS, ...SPARE_HOSTS].map((hostId) => [hostId, randomBytes(24).toString('base64url')]),
  )
  readonly #places: Place[] = []
  readonly #scenarios: Scenarios
  readonly #movedListeners: ((id: string, url: string, token: string) => void)[] = []
  #traffic: Traffic | null = null
  #trafficBegun = false
  #closing: Promise<void> | null = null

  constructor(options: DemoFleetOptions) {
    this.#options = options
    this.#log = options.log
    const { budget } = readDrainBudget({ ...DEMO_BUDGET_ENV, ...definedOf(options.env ?? process.env) })
    this.#budget = { ...budget, marginSeconds: DEMO_MARGIN_SECONDS }
    this.#scenarios = new Scenarios(
      {
        stick: async (node, on) => this.#traffic?.setStuck(node, on),
        kill: (node) => this.#place(node).kept.kill(),
        revive: (node) => this.#place(node).kept.keep(),
      },
      () => this.#places.map((place) => place.id),
      this.#log,
    )
  }

  async start(): Promise<void> {
    try {
      const { regions } = this.#options
      const dataDir = join(this.#options.dataDir, 'demo')
      await mkdir(dataDir, { recursive: true, mode: 0o700 })
      const caPath = join(dataDir, 'push-ca.pem')
      const keyPath = join(dataDir, 'push-key.p8')
      const places = DEMO_PLACES.filter((place) => regions?.includes(place.region) ?? true)
      const { traffic, ready } = await Traffic.start(
        { nodes: [...places], hostTokens: this.#hostTokens, caPath, keyPath, logLevel: this.#log.level },
        this.#log,
      )
      this.#traffic = traffic
      const configOf = async (place: DemoPlace): Promise<NodeConfig> =>
        this.#configOf(place, await pickFreePorts(PORTS_PER_NODE), {
          ...ready,
          endpoint: ready.endpoints[place.id] ?? 0,
          caPath,
          keyPath,
        })
      for (const place of places) {
        this.#places.push(this.#placeOf(place, await configOf(place)))
      }
      await Promise.all(this.#places.map((place) => this.#startFirst(place, () => configOf(place))))
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async startTraffic(): Promise<void> {
    if (!this.#traffic) throw new AppError('ERR_STARTING', 'The demo fleet has not been started')
    if (this.#trafficBegun) return
    this.#trafficBegun = true
    await this.#traffic.begin(this.#places.map(trafficNode))
  }

  onMoved(listener: (id: string, url: string, token: string) => void): void {
    this.#movedListeners.push(listener)
  }

  regions(): DemoRegion[] {
    return DEMO_REGIONS.filter((region) => this.#options.regions?.includes(region.id) ?? true)
  }

  nodes(): DemoNodeAddress[] {
    return this.#places.flatMap((place) => (place.address === null ? [] : [place.address]))
  }

  info(): DemoInfo {
    return {
      relays: this.#places.map(({ id, region, config }) => ({
        node: id,
        region,
        url: `ws://127.0.0.1:${config.relay?.port ?? 0}`,
      })),
      spareHosts: SPARE_HOSTS.map((hostId) => ({ hostId, token: this.#hostTokens[hostId] ?? '' })),
    }
  }

  scenarios(): Scenario[] {
    return this.#scenarios.list()
  }

  startScenario(name: string, node?: string): Promise<Scenario> {
    return this.#scenarios.start(name, node)
  }

  endScenario(name: string): Promise<Scenario> {
    return this.#scenarios.end(name)
  }

  async stopTraffic(): Promise<void> {
    try {
      await this.#traffic?.stop()
    } catch (error) {
      this.#log.warn({ err: error }, "the demo's traffic did not stop in order")
    }
  }

  async drainForSignal(): Promise<void> {
    this.#scenarios.stop()
    await Promise.all(this.#places.map(({ kept }) => kept.drainForSignal()))
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#scenarios.stop()
      await this.stopTraffic()
      await Promise.all(this.#places.map(({ kept }) => kept.close()))
      await this.#traffic?.close()
      this.#directory.close()
    })()
    return this.#closing
  }

  #configOf(
    place: DemoPlace,
    [tcp = 0, http = 0, health = 0, relay = 0]: number[],
    around: { echoPort: number; webPort: number; endpoint: number; caPath: string; keyPath: string },
  ): NodeConfig {
    return nodeConfigSchema.parse({
      id: place.id,
      region: place.region,
      proxy: {
        host: '127.0.0.1',
        health: { port: health },
        routes: [
          {
            name: 'echo',
            match: { ports: tcp },
            action: { type: 'forward', targets: [{ host: '127.0.0.1', port: around.echoPort }] },
          },
          {
            name: 'web',
            match: { ports: http, domains: ['tidegate.demo', '*.tidegate.demo'] },
            action: { type: 'forward', targets: [{ host: '127.0.0.1', port: around.webPort }] },
          },
        ],
      },
      relay: { host: '127.0.0.1', port: relay, directory: 'shared', tokens: this.#hostTokens },
      push: {
        host: '127.0.0.1',
        port: around.endpoint,
        topic: 'demo.tidegate.app',
        keyId: 'DEMOKEY001',
        teamId: 'DEMOTEAM01',
        keyPath: around.keyPath,
        ca: around.caPath,
        requestTimeoutMs: PUSH_REQUEST_TIMEOUT_MS,
      },
    })
  }

  /** On the first start nobody knows the ports yet: where one was taken in between, others are picked. */
  async #startFirst(place: Place, configAgain: () => Promise<NodeConfig>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await place.kept.start()
        return
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'ERR_PORT_TAKEN') || attempt === START_ATTEMPTS)
          throw error
        place.config = await configAgain()
      }
    }
  }

  #placeOf(map: DemoPlace, config: NodeConfig): Place {
    const kept = new KeptNode({
      id: map.id,
      log: this.#log,
      start: () =>
        (this.#options.startNode ?? startEmbeddedNode)({
          config: place.config,
          dataDir: join(this.#options.dataDir, 'nodes', map.id),
          env: { ...process.env, ...DEMO_BUDGET_ENV, ...definedOf(this.#options.env ?? process.env) },
          directory: this.#directory,
          budget: this.#budget,
          log: this.#log,
        }),
      onStarted: (node) => this.#started(place, node),
    })
    const place: Place = { ...map, config, kept, address: null }
    return place
  }

  /** It has come, or come back: on the same ports, which hosts and visitors know, and with another control address. */
  #started(place: Place, node: EmbeddedNode): void {
    const { id, region } = place
    const isBack = place.address !== null
    place.address = {
      id,
      region,
      kind: 'tidegate',
      url: node.controlUrl,
      token: node.controlToken,
      embedded: true,
    }
    if (isBack) for (const moved of this.#movedListeners) moved(id, node.controlUrl, node.controlToken)
    if (!isBack || !this.#trafficBegun) return
    this.#traffic
      ?.moved(trafficNode(place))
      .catch((error: unknown) =>
        this.#log.warn({ err: error, node: id }, "the demo's traffic does not know where a node is now"),
      )
  }

  #place(id: string): Place {
    const place = this.#places.find((candidate) => candidate.id === id)
    if (!place)
      throw new AppError('ERR_NOT_FOUND', `The demo fleet has no node "${id.slice(0, 64)}"`, {
        node: id.slice(0, 64),
      })
    return place
  }
}

const definedOf = (env: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))

const trafficNode = ({ id, region, address, config }: Place): TrafficNode => {
  const portOf = (route: string): number =>
    Number(config.proxy?.routes.find(({ name }) => name === route)?.match.ports ?? 0)
  return {
    id,
    region,
    controlUrl: address?.url ?? '',
    controlToken: address?.token ?? '',
    tcpPort: portOf('echo'),
    httpPort: portOf('web'),
    healthPort: config.proxy?.health?.port ?? 0,
    relayPort: config.relay?.port ?? 0,
  }
}

/** Six real nodes with real traffic on loopback: what the collector watches where no configuration names others. */
export const createDemoFleet = (options: DemoFleetOptions): DemoFleet => new BuiltDemoFleet(options)
