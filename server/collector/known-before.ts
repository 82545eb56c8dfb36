import type { Store } from '../store/store.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { Recorder } from './history/recorder.ts'
import type { IncidentBook } from './incidents/book.ts'
import type { Announced } from './judgement/outages.ts'
import type { Detector } from './signals/detector.ts'
import type { Watch } from './watch/watch.ts'
import type { WatchedRecord } from './watched-record.ts'

/** Takes up what was known when the collector stopped: intents, hosts, incidents, and what was told of outages. */
export const loadKnown = async (options: {
  fleet: Fleet
  book: IncidentBook
  watch: Pick<Watch, 'seed'>
  maintenance: { refresh(): Promise<void> }
  watched: WatchedRecord
  detector: Pick<Detector, 'watchedBefore'>
  history: Pick<Recorder, 'began'>
  store: Pick<Store, 'tunnels' | 'lastSampleAt' | 'addGap' | 'statesAt'>
  pollIntervalMs: number
  now: () => number
}): Promise<void> => {
  const { fleet, book, watch, watched, detector, history, store, now } = options
  // First of all: what is judged from here on must know what was announced.
  // Where it cannot be read it is tried again every few seconds, and that says so.
  await options.maintenance.refresh().catch(() => undefined)
  await fleet.loadIntents()
  const hosts = await store.tunnels()
  fleet.hosts.load(hosts, now())
  for (const node of new Set(hosts.map((host) => host.node)))
    if (fleet.member(node) === null) fleet.hosts.forgetNode(node)
  await book.load(now())
  watch.seed(announcedFrom(book, fleet))
  const before = await watched.load()
  detector.watchedBefore(before)
  const judged = async () => (await store.statesAt(now())).map(({ scope }) => scope)
  history.began((before ?? (await judged())).filter((scope) => scope !== 'room'))
  const newest = Math.max(0, ...(await store.lastSampleAt()).values())
  // What happened while nobody looked is drawn as not known.
  if (newest > 0 && now() - newest > 2 * options.pollIntervalMs)
    await store.addGap({ from: newest, to: now(), reason: 'collector was not running' })
}

/** What had been told of outages, from the signals that are still open. */
const announcedFrom = (book: IncidentBook, fleet: Fleet): Announced => {
  const announced: Announced = { nodes: new Map(), regions: new Map() }
  for (const node of fleet.members()) {
    const region = book.signal('region.unreachable', `region:${node.region}`)
    if (region) announced.regions.set(node.region, region.startedAt)
    const down = book.signal('node.down', `node:${node.id}`)
    if (down ?? region) announced.nodes.set(node.id, (down ?? region)?.startedAt ?? 0)
  }
  return announced
}
