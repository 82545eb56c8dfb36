import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { startRelay } from '../relay/fixture.ts'
import { doorsOf, hostAt, order, sharedDirectory, startApp, tokensOf, urlOf } from './drain-fleet.ts'
import { type DrainRig, startDrainRig } from './drain-rig.ts'
import { hammer, openEvents } from './visitors.ts'

const HOSTS = Array.from({ length: 12 }, (_, index) => `host-${index}`)

it('drains that begin, overlap, are called off and resumed at any instant cost visitors nothing, and every host stands once', {
  timeout: FUZZ_SECONDS * 1_000 + 40_000,
}, async () => {
  const random = seededRandom(fuzzSeed('drains'))
  const { memory, connect } = sharedDirectory()
  const rigs = await Promise.all(
    ['fra-1', 'iad-1', 'nrt-1'].map((node) =>
      startDrainRig({ hosts: HOSTS, directory: connect(), node, relayOptions: {} }),
    ),
  )
  for (const rig of rigs) onTestFinished(() => rig.end())
  // Visitors come by way of a relay that no host knows: their requests are always passed on.
  const edge = await startRelay({ directory: connect(), node: 'edge-1', config: { tokens: tokensOf(HOSTS) } })
  const to = await startApp()
  const clients = HOSTS.map((hostId) => {
    const turn = Math.floor(random() * rigs.length)
    const relays = rigs.map(urlOf)
    return hostAt(hostId, [...relays.slice(turn), ...relays.slice(0, turn)], to)
  })
  await Promise.all(clients.map((client) => client.registered()))
  const visitors = hammer(doorsOf('edge', edge.port, HOSTS))
  const events = await openEvents({ hostId: 'host-0', port: edge.port, name: 'edge' })

  const serving = (): DrainRig[] => rigs.filter((rig) => rig.drain.status().state === 'serving')
  const untilMs = performance.now() + FUZZ_SECONDS * 1_000
  for (let turn = 0; performance.now() < untilMs; turn += 1) {
    const rig = rigs[Math.floor(random() * rigs.length)] as DrainRig
    if (rig.drain.status().state !== 'serving') await rig.drain.resume()
    else if (serving().length > 1) {
      const pace = random() < 0.5 ? { tunnelsPerSecond: 1 + Math.floor(random() * 20) } : {}
      await rig.drain.begin(order({ drainId: `drain-${turn}`, onDeadline: 'wait', ...pace }))
    }
    await delay(random() * 900)
  }
  expect(visitors.failures).toEqual([])
  expect([events.state.cut, events.state.ended]).toEqual([false, false])
  for (const rig of rigs) if (rig.drain.status().state !== 'serving') await rig.drain.resume()
  await visitors.stop()
  await vi.waitFor(
    async () => {
      const standing = rigs.flatMap((rig) => rig.relay?.tunnels().map(({ hostId }) => hostId) ?? [])
      expect(standing.sort()).toEqual([...HOSTS].sort())
      expect(Object.keys(await memory.owners()).sort()).toEqual([...HOSTS].sort())
    },
    { timeout: 10_000 },
  )
  const owners = await memory.owners()
  for (const [index, node] of ['fra-1', 'iad-1', 'nrt-1'].entries()) {
    for (const { hostId } of rigs[index]?.relay?.tunnels() ?? [])
      expect([hostId, owners[hostId]]).toEqual([hostId, node])
    expect(rigs[index]?.drain.health().requestsFailed).toBe(0)
  }
  expect(visitors.failures).toEqual([])
  for (const client of clients) expect(client.of('lost')).toEqual([])
})
