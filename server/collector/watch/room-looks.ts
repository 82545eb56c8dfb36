import { countWords, durationWords, listWords, plural } from '../../contract/words.ts'
import type { StoreHealth } from '../../store/store.ts'
import type { IntakeFigures } from '../events/intake.ts'
import type { Finding, Watched } from './self-watch.ts'

/** How long something that was lost is told. */
const LOSS_TOLD_MS = 10 * 60_000
const MIN_PATIENCE_MS = 2_000
/** Conditions are looked at and drains are driven at least once a second; a loaded machine gets some seconds. */
const TICK_PATIENCE_MS = 5_000

export interface RoomSources {
  /** The shortest interval of any node: so often a poll begins at least. */
  pollIntervalMs: () => number
  storeHealth: () => StoreHealth
  intake: () => IntakeFigures
  polls: () => { recentLatenessMs: number; startedAgeMs: number | null }
  /** Nodes that answer their polls while their events do not come, for longer than two intervals. */
  behind: () => string[]
  networkLost: () => boolean
  detectionAgeMs: () => number | null
  drainsAgeMs: () => number | null
  /** Milliseconds since the number of the live stream ascended although something was published; null where nothing was. */
  liveAgeMs: () => number | null
  skews: () => { node: string; ms: number }[]
  overflowed: () => number
}

/** Every part of the room that is watched, the worst first. A part that is stuck is reported within two intervals. */
export const roomLooks = (sources: RoomSources): Watched[] => {
  const patienceMs = () => Math.max(MIN_PATIENCE_MS, 2 * sources.pollIntervalMs())
  const lost = rising(() => sources.intake().dropped)
  const overflow = rising(sources.overflowed)
  const tickLimitMs = () => Math.max(TICK_PATIENCE_MS, Math.min(patienceMs(), 10_000))
  return [
    { code: 'store_not_recording', look: () => storeNotRecording(sources) },
    { code: 'network_lost', look: () => networkLost(sources) },
    { code: 'events_stand_still', byAge: true, look: () => eventsStandStill(sources, patienceMs()) },
    { code: 'polls_late', byAge: true, look: () => pollsLate(sources, patienceMs()) },
    { code: 'detection_stands_still', byAge: true, look: () => detectionStandsStill(sources, tickLimitMs()) },
    { code: 'drains_stand_still', byAge: true, look: () => drainsStandStill(sources, tickLimitMs()) },
    { code: 'streams_stand_still', byAge: true, look: () => streamsStandStill(sources) },
    { code: 'live_stands_still', byAge: true, look: () => liveStandsStill(sources, patienceMs()) },
    { code: 'events_dropped', look: () => eventsDropped(lost()) },
    { code: 'hosts_overflow', look: () => hostsOverflow(overflow()) },
    { code: 'clock_skew', look: () => clockSkew(sources) },
  ]
}

const still = (ageMs: number | null, limitMs: number): ageMs is number => ageMs !== null && ageMs > limitMs

const storeNotRecording = (sources: RoomSources): Finding | null => {
  const { ok, reason, remedy } = sources.storeHealth()
  if (ok) return null
  return {
    text: `Nothing is recorded: the store cannot be written (${reason ?? 'no reason given'})`,
    remedy:
      remedy ??
      'Nodes are still polled, and drains still work. Free space on the disk or bring the database back; recording then resumes by itself.',
  }
}

const networkLost = (sources: RoomSources): Finding | null => {
  if (!sources.networkLost()) return null
  return {
    text: 'The collector cannot reach a single node; its own network may be the reason',
    remedy: 'Check the network of this machine first. Until one node answers, nodes are unknown, not down.',
  }
}

const eventsStandStill = (sources: RoomSources, patienceMs: number): Finding | null => {
  const { oldestAgeMs, queued } = sources.intake()
  if (!still(oldestAgeMs, patienceMs)) return null
  return {
    text: `Events stand still: ${plural(queued, 'event')} ${queued === 1 ? 'waits' : 'wait'} to be stored, the oldest for ${durationWords(oldestAgeMs)}`,
    remedy:
      'Check the store and its disk. What is waiting is stored once it works again; nodes keep what does not fit.',
  }
}

const pollsLate = (sources: RoomSources, patienceMs: number): Finding | null => {
  const { recentLatenessMs, startedAgeMs } = sources.polls()
  const none = still(startedAgeMs, patienceMs)
  if (!none && recentLatenessMs <= sources.pollIntervalMs()) return null
  return {
    text: none
      ? `Polls stand still: none has begun for ${durationWords(startedAgeMs)}`
      : `Polls are late: by ${durationWords(recentLatenessMs)}, more than one interval`,
    remedy: 'This machine is too busy for its fleet: check what uses its processor, or poll less often.',
  }
}

const detectionStandsStill = (sources: RoomSources, limitMs: number): Finding | null => {
  const ageMs = sources.detectionAgeMs()
  if (!still(ageMs, limitMs)) return null
  return {
    text: `Signals have not been judged for ${durationWords(ageMs)}, so no incident opens or closes`,
    remedy: 'Check the store first: a change to an incident is written before it is shown.',
  }
}

const drainsStandStill = (sources: RoomSources, limitMs: number): Finding | null => {
  const ageMs = sources.drainsAgeMs()
  if (!still(ageMs, limitMs)) return null
  return {
    text: `A drain has stood still for ${durationWords(ageMs)}`,
    remedy:
      'Check the store and the nodes of the drain. Nodes carry on with what they were told to do, and the drain can still be aborted.',
  }
}

const streamsStandStill = (sources: RoomSources): Finding | null => {
  const nodes = sources.behind()
  if (nodes.length === 0) return null
  return {
    text: `Events of ${listWords(nodes)} are not read, though ${nodes.length === 1 ? 'it answers' : 'they answer'}`,
    remedy:
      "Check the connection to the node's control port: /events is a WebSocket and needs the control token.",
  }
}

const liveStandsStill = (sources: RoomSources, patienceMs: number): Finding | null => {
  const ageMs = sources.liveAgeMs()
  if (!still(ageMs, patienceMs)) return null
  return {
    text: `Nothing new has been sent to pages for ${durationWords(ageMs)}`,
    remedy: 'Reload the page. If that does not help, restart the server: nodes carry on without it.',
  }
}

const eventsDropped = (count: number): Finding | null => {
  if (count === 0) return null
  return {
    text: `${countWords(count)} ${count === 1 ? 'event was' : 'events were'} refused by the store and lost`,
    remedy: 'The log names them. Timelines of that time are incomplete.',
  }
}

const hostsOverflow = (count: number): Finding | null => {
  if (count === 0) return null
  return {
    text: `There are more tunnel hosts than can be kept: ${countWords(count)} were left out`,
    remedy: 'Look for a relay that invents host ids; lost hosts are forgotten after a day.',
  }
}

const clockSkew = (sources: RoomSources): Finding | null => {
  const skews = sources.skews()
  const [worst] = [...skews].sort((a, b) => Math.abs(b.ms) - Math.abs(a.ms))
  if (!worst) return null
  const nodes = listWords(skews.map(({ node }) => node))
  const by = `${skews.length === 1 ? '' : 'up to '}${durationWords(Math.abs(worst.ms))} ${worst.ms > 0 ? 'ahead' : 'behind'}`
  return {
    text: `The ${skews.length === 1 ? 'clock' : 'clocks'} of ${nodes} ${skews.length === 1 ? 'is' : 'are'} wrong: ${by}`,
    remedy:
      "Synchronise it (NTP). If most nodes seem wrong, it is this machine's clock. Times are corrected in the meantime.",
  }
}

/** How much a counter rose within the last minutes; what is lost stays lost, but does not stay news. */
const rising = (read: () => number): (() => number) => {
  let before = read()
  let base = before
  let roseAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = performance.now()
    const value = read()
    if (value > before) {
      if (now - roseAt > LOSS_TOLD_MS) base = before
      roseAt = now
    }
    before = value
    return now - roseAt <= LOSS_TOLD_MS ? value - base : 0
  }
}
