import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DrainBudget } from '../../../server/contract/drain-budget.ts'
import type { EventType, NodeEvent } from '../../../server/contract/events.ts'
import { type RelayConfig, relayConfigSchema } from '../../../server/contract/node-config.ts'
import type { NodeState } from '../../../server/contract/states.ts'
import { createLog } from '../../../server/observe/log.ts'
import type { Directory } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { IntentFile } from '../../../server/runtime/drain/intent.ts'
import { NodeDrain } from '../../../server/runtime/drain/node-drain.ts'
import type { DrainParts } from '../../../server/runtime/drain/parts.ts'
import { createEventLog, type EventLog } from '../../../server/runtime/events/event-log.ts'
import { createHostClient, type HostClient } from '../../../server/runtime/host/host-client.ts'
import type { QueuedPushPart } from '../../../server/runtime/part/drain-parts.ts'
import type { PartContext } from '../../../server/runtime/part/part.ts'
import { createRelay, type Relay, type RelayOptions } from '../../../server/runtime/relay/relay.ts'
import { createWebPart, type WebPart } from './web-part.ts'

export const silent = createLog('test', 'silent')

/** Resolves with the first event that fits, also one that has been; the test's own timeout is the limit. */
export const eventOf = <T extends EventType>(
  events: EventLog,
  type: T,
  fits: (event: NodeEvent<T>) => boolean = () => true,
): Promise<NodeEvent<T>> =>
  new Promise((resolve) => {
    const look = (event: NodeEvent) => {
      if (event.type !== type || !fits(event as NodeEvent<T>)) return false
      resolve(event as NodeEvent<T>)
      return true
    }
    if (events.read(0, 10_000).events.some(look)) return
    const end = events.subscribe((event) => {
      if (look(event)) end()
    })
  })

export const tinyBudget = (change: Partial<DrainBudget> = {}): DrainBudget => ({
  preDrainSeconds: 0.05,
  httpSeconds: 5,
  tunnelsSeconds: 5,
  marginSeconds: 5,
  ceilingSeconds: 120,
  fits: true,
  ...change,
})

export const relayConfig = (hosts: readonly string[], change: Partial<RelayConfig> = {}): RelayConfig =>
  relayConfigSchema.parse({
    host: '127.0.0.1',
    port: 0,
    tokens: Object.fromEntries(hosts.map((host) => [host, `token-of-${host}`])),
    ...change,
  })

/** Registers one real host at the relay and resolves when it stands. */
export const registerHost = (relayUrl: string, hostId: string): Promise<HostClient> =>
  new Promise((resolve) => {
    const client = createHostClient({
      relays: [relayUrl],
      hostId,
      token: `token-of-${hostId}`,
      to: 'http://127.0.0.1:9',
      log: silent,
      onEvent: ({ type }) => {
        if (type === 'registered') resolve(client)
      },
    })
    client.start()
  })

export interface DrainRig {
  drain: NodeDrain
  web: WebPart
  relay: Relay | null
  events: EventLog
  intent: IntentFile
  states: NodeState[]
  logged: { level: string; message: string; facts: Record<string, unknown> }[]
  exits: number
  dataDir: string
  end(): Promise<void>
}

/** A drain over one real HTTP part and, where hosts are named, a real relay. */
export const startDrainRig = async (
  options: {
    budget?: Partial<DrainBudget>
    hosts?: readonly string[]
    push?: QueuedPushPart
    dataDir?: string
    embedded?: boolean
    /** Default: one of its own, which knows no other relay. */
    directory?: Directory
    node?: string
    relayOptions?: RelayOptions
  } = {},
): Promise<DrainRig> => {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'tidegate-drain-')))
  const logged: DrainRig['logged'] = []
  const log = createLog('test', 'silent')
  for (const level of ['info', 'warn', 'error'] as const) {
    log[level] = (...given: unknown[]) => {
      const [facts, message] = typeof given[0] === 'string' ? [{}, given[0]] : [given[0], given[1]]
      logged.push({ level, message: String(message), facts: facts as Record<string, unknown> })
    }
  }
  const node = options.node ?? 'fra-1'
  const events = createEventLog({ node, region: 'fra' }, log)
  const context: PartContext = {
    node,
    region: 'fra',
    log,
    emit: (type, data) => events.emit(type, data),
  }
  const web = createWebPart()
  await web.start()
  const relay =
    options.hosts === undefined
      ? null
      : createRelay(
          relayConfig(options.hosts),
          context,
          options.directory ?? createMemoryDirectory(),
          // Hosts of the tests that know one relay only need no long time to find another.
          options.relayOptions ?? { timings: { moveWaitMs: 800 } },
        )
  await relay?.start()
  const parts: DrainParts = {
    serving: relay === null ? [web] : [web, relay],
    relay: relay ?? undefined,
    push: options.push,
  }
  let state: NodeState = 'serving'
  const states: NodeState[] = []
  const rig: Omit<DrainRig, 'drain'> = {
    web,
    relay,
    events,
    intent: await IntentFile.open(dataDir, log),
    states,
    logged,
    exits: 0,
    dataDir,
    async end() {
      web.release()
      await web.destroy()
      await relay?.destroy()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  const drain = new NodeDrain({
    context,
    budget: tinyBudget(options.budget),
    intent: rig.intent,
    parts,
    state: () => state,
    setState(next) {
      if (next !== state) states.push(next)
      state = next
    },
    bind: (part) => part.resume(),
    ...(options.embedded === true
      ? {}
      : {
          exit: () => {
            rig.exits += 1
          },
        }),
  })
  return Object.assign(rig, { drain })
}
