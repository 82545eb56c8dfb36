import type { Node, Overview } from '@/server/contract/fleet.ts'
import { durationWords, plural } from '@/server/contract/words.ts'
import { type LiveStatus, SILENT_MS } from './live-connection.ts'

export interface Freshness {
  level: 'live' | 'catching_up' | 'stale'
  /** `live`, `catching up (12)`, `stale since 12 s`. */
  text: string
  /** Which of the three is the worst, in words; null while live. */
  which: string | null
  /** False: nothing on screen may be taken for the present; that holds for every number, headline, glyph, line end, title and icon. */
  known: boolean
  /** The moment that is on screen, epoch ms by the server's clock; null before the first answer. */
  asOf: number | null
}

type Part = Pick<Freshness, 'level' | 'text' | 'which' | 'known'>

/** A schedule later than this shows numbers that are out of date. */
const LATE_MS = 5000
/** A node that has not been polled for this long, and for three intervals, is not live, whatever its stream says. */
const POLL_OLD_MS = 15_000
const POLL_OLD_INTERVALS = 3
/** A socket that is lost and back within this time has missed nothing worth showing. */
const BLINK_MS = 2000
const RANK = { live: 0, catching_up: 1, stale: 2 } as const
const LIVE: Part = { level: 'live', text: 'live', which: null, known: true }

const ofSocket = (socket: LiveStatus, nowMs: number, answeredAt: number | null): Part => {
  const silentMs = socket.heardAt === null ? null : nowMs - socket.heardAt
  const silence: Part = {
    level: 'stale',
    text: silentMs === null ? 'stale' : `stale since ${durationWords(silentMs)}`,
    which: "This tab's connection to the server is silent",
    known: false,
  }
  switch (socket.phase) {
    case 'live':
      // The socket finds out by a timer of its own, and a machine that slept has had none.
      return silentMs !== null && silentMs > SILENT_MS + BLINK_MS ? silence : LIVE
    case 'connecting':
      // Before the first frame only plain requests show that the server lives: it may have died between the two.
      if (answeredAt !== null && nowMs - answeredAt > SILENT_MS) return silence
      return {
        level: 'catching_up',
        text: 'connecting',
        which: 'This tab is connecting to the server',
        known: true,
      }
    case 'catching_up':
      return {
        level: 'catching_up',
        text: socket.behind > 0 ? `catching up (${socket.behind})` : 'catching up',
        which: 'This tab was away and is catching up',
        known: true,
      }
    case 'ended':
      return { level: 'stale', text: 'signed out', which: 'This session has ended', known: false }
    case 'stale': {
      // Where a proxy lets no socket through, plain requests still show whether the server lives.
      const answers =
        answeredAt !== null && answeredAt > (socket.heardAt ?? 0) && nowMs - answeredAt < SILENT_MS
      return { ...silence, known: answers || (silentMs !== null && silentMs < BLINK_MS) }
    }
  }
}

/**
 * Only a collector that is late now is late: its figure covers a whole minute, in which a pause of seconds may long be over. The polls
 * themselves show that: none is overdue any more.
 */
const ofCollector = (overview: Overview, serverNowMs: number): Part => {
  const late = overview.collector.latenessP99Ms
  const ordinaryMs = overview.collector.pollIntervalMs ?? 0
  const isOverdue = ({ lastPollAt, pollIntervalMs }: Node): boolean =>
    lastPollAt !== null && serverNowMs - Date.parse(lastPollAt) > (pollIntervalMs ?? ordinaryMs) + LATE_MS
  if (late > LATE_MS && overview.nodes.some(isOverdue))
    return {
      level: 'stale',
      text: `late by ${durationWords(late)}`,
      which: 'The collector asks the nodes late',
      known: true,
    }
  return LIVE
}

const ofNodes = (overview: Overview, serverNowMs: number): Part => {
  const ordinaryMs = overview.collector.pollIntervalMs ?? 0
  // A node that is known to be down is an answer, not missing data.
  const watched = overview.nodes.filter((node) => node.state !== 'down')
  const old = watched
    .map((node) => ({
      id: node.id,
      ageMs: node.lastPollAt === null ? null : serverNowMs - Date.parse(node.lastPollAt),
      oldMs: Math.max(POLL_OLD_MS, POLL_OLD_INTERVALS * (node.pollIntervalMs ?? ordinaryMs)),
    }))
    .filter((node) => node.ageMs !== null && node.ageMs > node.oldMs)
  if (old.length > 0) {
    const worst = Math.max(...old.map((node) => node.ageMs ?? 0))
    return {
      level: 'stale',
      text: `stale since ${durationWords(worst)}`,
      which:
        old.length === 1
          ? `${old[0]?.id} has not been polled`
          : `${plural(old.length, 'node')} have not been polled`,
      known: old.length < watched.length,
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
      known: true,
    }
  }
  return LIVE
}

/**
 * The worst of three: this tab's socket, the collector's lateness, the nodes' streams; and which of them it is.
 *
 * @param nowMs this browser's clock
 * @param serverNowMs the server's clock, as far as this tab knows it
 * @param answeredAt when a plain request was answered last, by this browser's clock; null where none was
 */
export const freshnessOf = (
  socket: LiveStatus,
  overview: Overview | undefined,
  nowMs: number,
  serverNowMs: number,
  answeredAt: number | null = null,
): Freshness => {
  const parts = [
    ofSocket(socket, nowMs, answeredAt),
    ...(overview ? [ofCollector(overview, serverNowMs), ofNodes(overview, serverNowMs)] : []),
  ]
  const worst = parts.reduce((a, b) => (RANK[b.level] > RANK[a.level] ? b : a))
  return {
    ...worst,
    known: parts.every((part) => part.known),
    asOf: overview ? Date.parse(overview.at) : null,
  }
}
