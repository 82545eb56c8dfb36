import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { NodeTarget } from '../../../server/collector/adapters/registry.ts'
import { Collector } from '../../../server/collector/collector.ts'
import type { Drain, DrainStep } from '../../../server/contract/drains.ts'
import type { Actor, LivePublisher } from '../../../server/contract/index.ts'
import { nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { buildNode } from '../../../server/runtime/node/tidegate-node.ts'
import type { TidegateNode } from '../../../server/runtime/part/node-face.ts'
import { createRelay } from '../../../server/runtime/relay/relay.ts'
import { relayConfig, silent, tinyBudget } from '../../runtime/drain/drain-rig.ts'
import { log, sqlite } from '../../store/fixtures.ts'
import { type Receiver, SECRET, startReceiver } from '../adapters/webhook/receiver.ts'
import { type Gateway, startGateway } from './gateway.ts'

export const ana: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
export const bo: Actor = { name: 'bo@example.com', role: 'operator', address: '127.0.0.1' }
const TOKEN = 'control-token-of-the-test'
const INTERVAL_MS = 400
/** A drain's seconds go by so many times faster than the wall's. */
const FASTER = 5

export interface MixedRig {
  collector: Collector
  receiver: Receiver
  relay: TidegateNode
  gateway: Gateway
  /** Says that it is well, and counts nothing. */
  web: Gateway
  /** Ends the collector's process in effect, and starts another one over the same store. */
  restart(): Promise<void>
  drain(id: string): Promise<Drain>
  step(id: string, node: string): Promise<DrainStep | undefined>
  until(id: string, state: Drain['state'], timeoutMs?: number): Promise<Drain>
  close(): Promise<void>
}

const startRelay = async (id: string, dataDir: string): Promise<TidegateNode> => {
  const config = nodeConfigSchema.parse({
    id,
    region: id.slice(0, 3),
    control: { port: 0, token: TOKEN },
    relay: relayConfig([], { port: 0 }),
  })
  const node = buildNode(config, {
    log: silent,
    budget: tinyBudget(),
    dataDir: join(dataDir, id),
    exit: undefined,
    makeParts: (context, state) =>
      config.relay === undefined
        ? {}
        : { relay: createRelay(config.relay, context, createMemoryDirectory(), { state }) },
  })
  await node.start()
  return node
}

const live: LivePublisher = {
  hub: 'hub',
  seq: 0,
  event: () => undefined,
  samples: () => undefined,
  changed: () => undefined,
}

/** Two regions, each with a relay of ours, a gateway that counts its connections and a site that counts nothing; one receiver for all. */
export const startMixedRig = async (
  more: { map?: Record<string, string>; nodes?: readonly NodeTarget[] } = {},
): Promise<MixedRig> => {
  const closers: (() => Promise<unknown>)[] = []
  const dataDir = await mkdtemp(join(tmpdir(), 'tidegate-mixed-'))
  closers.push(() => rm(dataDir, { recursive: true, force: true }))
  const receiver = await startReceiver()
  const relays = await Promise.all(['fra-1', 'iad-1'].map((id) => startRelay(id, dataDir)))
  const others = await Promise.all(Array.from({ length: 4 }, startGateway))
  closers.push(
    receiver.close,
    ...others.map((other) => other.close),
    ...relays.map((relay) => () => relay.destroy()),
  )
  const { store, remove } = await sqlite.create({ expectedIntervalMs: INTERVAL_MS })
  closers.push(remove)
  const drain = { webhook: { url: receiver.url, secret: SECRET, timeoutMs: 1_000 } }
  const foreign = (
    id: string,
    region: string,
    at: Gateway | undefined,
    map: Record<string, string>,
  ): NodeTarget => ({
    id,
    region,
    kind: 'json',
    url: at?.url ?? '',
    map,
    drain,
    embedded: false,
  })
  const page = (id: string, region: string, at: Gateway | undefined): NodeTarget => ({
    id,
    region,
    kind: 'http',
    url: at?.url ?? '',
    expect: { status: 200, body: '"ok":true' },
    drain,
    embedded: false,
  })
  const counted = more.map ?? { ok: '/ok', connections: '/open', connections_accepted: '/accepted' }
  const nodes: NodeTarget[] = [
    ...relays.map(
      (relay): NodeTarget => ({
        id: relay.id,
        region: relay.region,
        kind: 'tidegate',
        url: relay.control?.url ?? '',
        token: TOKEN,
        embedded: false,
      }),
    ),
    foreign('gw-1', 'fra', others[0], counted),
    page('web-1', 'fra', others[1]),
    foreign('gw-2', 'iad', others[2], counted),
    page('web-2', 'iad', others[3]),
    ...(more.nodes ?? []),
  ]
  const open = async (up: number): Promise<Collector> => {
    const collector = new Collector({
      store,
      live,
      log,
      regions: [
        { id: 'fra', name: 'Frankfurt' },
        { id: 'iad', name: 'Ashburn' },
      ],
      nodes,
      polling: { intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS - 10, allow: [] },
      drains: { tickMs: 20, monotonic: () => performance.now() * FASTER },
      demo: true,
      version: '0.1.0',
    })
    await collector.start()
    await expect.poll(() => collector.overview().totals.up, { timeout: 15_000 }).toBeGreaterThanOrEqual(up)
    return collector
  }
  const [gateway, web] = others
  const [relay] = relays
  if (!gateway || !web || !relay) throw new Error('nothing to drain')
  receiver.act = ({ action, node }) => {
    const at = node === 'gw-1' ? gateway : node === 'web-1' ? web : null
    if (action === 'drain') at?.leave()
    else void at?.comeBack()
  }
  const rig: MixedRig = {
    collector: await open(nodes.length),
    receiver,
    relay,
    gateway,
    web,
    async restart() {
      await rig.collector.close()
      // What is drained, or on its way, is not up.
      rig.collector = await open(nodes.length / 2)
    },
    async drain(id) {
      const found = await rig.collector.drains.get(id)
      if (found === null) throw new Error(`no drain ${id}`)
      return found
    },
    step: async (id, node) => (await rig.drain(id)).steps.find((step) => step.node === node),
    async until(id, state, timeoutMs = 30_000) {
      await expect
        .poll(async () => (await rig.drain(id)).state, { timeout: timeoutMs, interval: 20 })
        .toBe(state)
      return rig.drain(id)
    },
    async close() {
      await rig.collector.close()
      for (const close of closers.reverse()) await close()
    },
  }
  return rig
}
