import type { Overview } from '@/server/contract/fleet.ts'
import { formatDuration, plural } from '../ui/format.ts'
import type { LiveStatus } from './live-connection.ts'

export interface Freshness {
  level: 'live' | 'catching_up' | 'stale'
  /** `live`, `catching up (12)`, `stale since 12 s`. */
  text: string
  /** Which of the three is the worst, in words; null while live. */
  which: string | null
}

/** A schedule later than this shows numbers that are not of now. */
const LATE_MS = 5000
/** A node that has not been polled for this long is not live, whatever its stream says. */
const POLL_OLD_MS = 15_000
const RANK = { live: 0, catching_up: 1, stale: 2 } as const

const ofSocket = (socket: LiveStatus, nowMs: number): Freshness => {
  const silentMs = socket.heardAt === null ? null : nowMs - socket.heardAt
  switch (socket.phase) {
    case 'live':
      return { level: 'live', text: 'live', which: null }
    case 'connecting':
      return { level: 'catching_up', text: 'connecting', which: 'This tab is connecting to the server' }
    case 'catching_up':
      return {
        level: 'catching_up',
        text: socket.behind > 0 ? `catching up (${socket.behind})` : 'catching up',
        which: 'This tab was away and is reading what it missed',
      }
    case 'ended':
      return { level: 'stale', text: 'signed out', which: 'This session has ended' }
    case 'stale':
      return {
        level: 'stale',
        text: silentMs === null ? 'stale' : `stale since ${formatDuration(silentMs)}`,
        which: "This tab's connection to the server is silent",
      }
  }
}

const ofCollector = (overview: Overview): Freshness => {
  const late = overview.collector.latenessP99Ms
  if (late > LATE_MS)
    return { level: 'stale', text: `stale since ${formatDuration(late)}`, which: 'The collector polls late' }
  return { level: 'live', text: 'live', which: null }
}

const ofNodes = (overview: Overview, serverNowMs: number): Freshness => {
  // A node that is known to be down is an answer, not missing data.
  const watched = overview.nodes.filter((node) => node.state !== 'down')
  const old = watched
    .map((node) => ({
      id: node.id,
      ageMs: node.lastPollAt === null ? null : serverNowMs - Date.parse(node.lastPollAt),
    }))
    .filter((node) => node.ageMs !== null && node.ageMs > POLL_OLD_MS)
  if (old.length > 0) {
    const worst = Math.max(...old.map((node) => node.ageMs ?? 0))
    return {
      level: 'stale',
      text: `stale since ${formatDuration(worst)}`,
      which:
        old.length === 1
          ? `${old[0]?.id} has not been polled`
          : `${plural(old.length, 'node')} have not been polled`,
    }
  }
  const silent = watched.filter((node) => node.streamState === 'connecting')
  if (silent.length > 0) {
    return {
      level: 'catching_up',
      text: 'catching up',
      which:
        silent.length === 1
          ? `${silent[0]?.id}'s event stream is reconnecting`
          : `${plural(silent.length, 'event stream')} reconnecting`,
    }
  }
  return { level: 'live', text: 'live', which: null }
}

/** The worst of three: this tab's socket, the collector's lateness, the nodes' streams; and which of them it is. */
export const freshnessOf = (
  socket: LiveStatus,
  overview: Overview | undefined,
  nowMs: number,
  serverNowMs: number,
): Freshness => {
  const parts = [
    ofSocket(socket, nowMs),
    ...(overview ? [ofCollector(overview), ofNodes(overview, serverNowMs)] : []),
  ]
  return parts.reduce((worst, part) => (RANK[part.level] > RANK[worst.level] ? part : worst))
}
