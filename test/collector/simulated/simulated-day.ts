import { Fleet } from '../../../server/collector/fleet/fleet.ts'
import { LiveFleetView } from '../../../server/collector/fleet/fleet-view.ts'
import { IncidentBook } from '../../../server/collector/incidents/book.ts'
import { JUDGE_DEFAULTS } from '../../../server/collector/judgement/judge.ts'
import { Detector } from '../../../server/collector/signals/detector.ts'
import { nodeDown } from '../../../server/collector/signals/node-down.ts'
import { nodeScope } from '../../../server/collector/signals/rule.ts'
import { Watch } from '../../../server/collector/watch/watch.ts'
import type { Incident, ObservedState } from '../../../server/contract/index.ts'
import { log, sqlite } from '../../store/fixtures.ts'
import { SimulatedFleet, type Weather } from './simulated-fleet.ts'
import { VirtualTime } from './virtual-time.ts'

const INTERVAL_MS = 5_000
/** Rules are looked at so often while something happens, and after that for a while … */
const LOOK_MS = 1_000
const AWAKE_MS = 30 * 60_000
/** … and so often while nothing does: nothing that would open between two polls closes before the next one. */
const CALM_LOOK_MS = INTERVAL_MS
const IDS = ['fra-1', 'fra-2', 'iad-1', 'iad-2', 'sjc-1', 'sjc-2']
const DAWN = Date.parse('2026-04-27T00:00:00Z')
const DAY_MS = 24 * 3_600_000

export interface DayReport {
  incidents: Incident[]
  asked: number
  lost: number
  /** How often a node was judged to be something else than before, by what it became. */
  changes: Partial<Record<ObservedState, number>>
}

/** What happens in the day, by the ms after its beginning. */
export type Story = readonly (readonly [
  at: number,
  happens: (fleet: SimulatedFleet, time: VirtualTime) => void,
])[]

/**
 * One day of a fleet through the real pipeline: turns, judging, announcements, rules, the book of incidents on a real store. Only
 * the network and time are simulated.
 */
export const liveThrough = async (seed: number, weather: Weather, story: Story): Promise<DayReport> => {
  const { store, remove } = await sqlite.create()
  try {
    const time = new VirtualTime(DAWN)
    const simulated = new SimulatedFleet(IDS, seed, weather, time)
    const nothing = () => undefined
    const live = { hub: 'hub', seq: 0, event: nothing, samples: nothing, changed: nothing }
    const record = async () => null
    const book = new IncidentBook({ store, live, record, log })
    const fleet = new Fleet({
      regions: ['fra', 'iad', 'sjc'].map((id) => ({ id, name: id })),
      nodes: IDS.map((id) => ({
        ...{ id, region: id.slice(0, 3), url: `http://${id}.example.com`, token: 'x'.repeat(32) },
        ...{ kind: 'tidegate' as const, embedded: false },
      })),
      store,
      adapters: { of: () => simulated, drains: () => null },
      record,
      log,
      now: time.now,
      pollIntervalMs: INTERVAL_MS,
      openIncidents: () => book.open(),
      activeDrains: () => [],
      absence: () => null,
      standing: () => null,
    })
    const view = new LiveFleetView({
      fleet,
      announced: () => watch.announced(),
      activeDrains: () => [],
      inMaintenance: () => false,
    })
    const detector = new Detector({ fleet: view, book, detect: {}, activeDrains: () => [], log })
    const watch: Watch = new Watch({
      fleet,
      detector,
      store: { writeSamples: nothing, addGap: async () => undefined },
      live,
      log,
      intervalMs: INTERVAL_MS,
      thresholds: (node) => ({ ...JUDGE_DEFAULTS, ...detector.thresholdsOf(nodeDown, nodeScope(node)) }),
      now: time.now,
      monotonic: time.monotonic,
      timers: time,
    })
    const states = new Map<string, ObservedState>()
    const changes: DayReport['changes'] = {}
    fleet.onPoll((id) => {
      const state = fleet.member(id)?.judgement.state ?? 'unknown'
      if ((states.get(id) ?? 'unknown') !== state) changes[state] = (changes[state] ?? 0) + 1
      states.set(id, state)
    })
    await book.load(time.now())
    watch.start()
    for (const [at, happens] of story) time.set(() => happens(simulated, time), at)
    while (time.monotonic() < DAY_MS) {
      const begun = story.findLast(([at]) => at <= time.monotonic() + CALM_LOOK_MS)?.[0] ?? -DAY_MS
      await time.pass(time.monotonic() - begun < AWAKE_MS ? LOOK_MS : CALM_LOOK_MS)
      await detector.evaluate(time.now())
    }
    watch.close()
    const { items } = await store.incidents({ limit: 1_000 })
    return { incidents: items, asked: simulated.asked, lost: simulated.lost, changes }
  } finally {
    await remove()
  }
}
