import { CLOSE } from './close-codes.ts'
import type { TimelineItem } from './incidents.ts'
import { listWords, plural } from './words.ts'

/** Rows that say the same within this are one row. */
const REPEAT_MS = 10_000
/** Closes of one node with one code that follow each other within this have one cause. */
const CAUSE_MS = 30_000
/** A host that comes back later than this came back for another reason. */
const RETURN_MS = 15 * 60_000
/** Ids kept on a row that stands for more. */
const MAX_FOLDED = 1_000
interface Move {
  hostId: string
  to: string | null
  gapMs: number | null
}

/** Tunnels that one node lost for one cause, and where they came back. */
interface Cause {
  node: string
  code: number | null
  items: TimelineItem[]
  lastLossAt: number
  moves: Map<string, Move>
}

/** A row of a folded timeline with the rows that it stands for; none where it stands for itself. */
export interface FoldedRow {
  item: TimelineItem
  members: readonly TimelineItem[]
}

/**
 * Folds rows by cause: closes with the registrations that followed them, then repetitions. Order is kept. Pure, so that the server's
 * answer and a page that folds what it has heard since agree row by row.
 */
export const foldTimeline = (items: readonly TimelineItem[]): FoldedRow[] =>
  foldRepeats(foldTunnelMoves(items))

/** The same without the members. */
export const foldRows = (items: readonly TimelineItem[]): TimelineItem[] =>
  foldTimeline(items).map((row) => row.item)

const foldTunnelMoves = (items: readonly TimelineItem[]): FoldedRow[] => {
  const causes: Cause[] = []
  const causeOf = new Map<TimelineItem, Cause>()

  const causeFor = (node: string, code: number | null, at: number): Cause => {
    const known = causes.findLast(
      (cause) => cause.node === node && cause.code === code && at - cause.lastLossAt <= CAUSE_MS,
    )
    if (known) return known
    const cause: Cause = { node, code, items: [], lastLossAt: at, moves: new Map() }
    causes.push(cause)
    return cause
  }

  for (const item of items) {
    const { type, node, hostId } = item.data
    if (typeof hostId !== 'string' || typeof node !== 'string') continue
    const at = Date.parse(item.at)
    if (type === 'tunnel.lost') {
      const cause = causeFor(node, numberOrNull(item.data.code), at)
      cause.lastLossAt = at
      // A registration elsewhere may have been read before the loss that it answers.
      if (!cause.moves.has(hostId)) cause.moves.set(hostId, { hostId, to: null, gapMs: null })
      cause.items.push(item)
      causeOf.set(item, cause)
    } else if (type === 'tunnel.registered') {
      const waiting = causes.findLast((cause) => {
        const move = cause.moves.get(hostId)
        return move !== undefined && move.to === null && at - cause.lastLossAt <= RETURN_MS
      })
      const previous = item.data.previousNode
      const code = numberOrNull(item.data.previousCloseCode)
      // A relay that died told nobody; the host says where it comes from, and what it saw there.
      const cause =
        waiting ?? (typeof previous === 'string' && code !== null ? causeFor(previous, code, at) : null)
      if (!cause) continue
      cause.moves.set(hostId, { hostId, to: node, gapMs: numberOrNull(item.data.gapMs) })
      cause.items.push(item)
      causeOf.set(item, cause)
    }
  }

  const rows: FoldedRow[] = []
  const shown = new Set<Cause>()
  for (const item of items) {
    const cause = causeOf.get(item)
    // One host's coming and going reads better as it is, except where a drain is the cause.
    if (!cause || cause.items.length < 2 || (cause.moves.size < 2 && cause.code !== CLOSE.drain)) {
      rows.push({ item, members: [] })
      continue
    }
    if (shown.has(cause)) continue
    shown.add(cause)
    rows.push({ item: causeRow(cause, item), members: cause.items })
  }
  return rows
}

const causeRow = (cause: Cause, first: TimelineItem): TimelineItem => {
  const moves = [...cause.moves.values()]
  const missing = moves.filter((move) => move.to === null).map((move) => move.hostId)
  const gaps = moves.flatMap((move) => move.gapMs ?? [])
  const drain = cause.code === CLOSE.drain
  const closes = `${plural(moves.length, 'close')} (${cause.code ?? 'no code'})`
  const names = missing.length === 0 ? '' : `: ${listWords(missing)}`
  return {
    id: `fold:${first.id}`,
    at: first.at,
    receivedAt: first.receivedAt,
    kind: drain ? 'drain' : 'event',
    source: cause.node,
    title: `${drain ? `drain ${cause.node}` : cause.node} → ${closes} → ${moves.length - missing.length} re-registered, ${missing.length} missing${names}`,
    data: {
      type: 'tunnel.lost',
      node: cause.node,
      region: first.data.region ?? null,
      code: cause.code,
      closes: moves.length,
      registered: moves.length - missing.length,
      missing,
      maxGapMs: gaps.length === 0 ? null : Math.max(...gaps),
      moves: moves.slice(0, MAX_FOLDED),
      until: cause.items.at(-1)?.at ?? first.at,
    },
    folded: cause.items.slice(0, MAX_FOLDED).map((item) => item.id),
  }
}

/** Rows of one source that read the same, each within 10 s of the one before, become one with a count. */
const foldRepeats = (items: readonly FoldedRow[]): FoldedRow[] => {
  interface Run {
    first: TimelineItem
    members: TimelineItem[]
    until: string
    index: number
  }
  const rows: FoldedRow[] = []
  const all: Run[] = []
  const runs = new Map<string, Run>()
  for (const row of items) {
    const { item } = row
    if (item.kind !== 'event' || row.members.length > 0) {
      rows.push(row)
      continue
    }
    const key = `${item.source}\n${item.title}`
    const run = runs.get(key)
    if (!run || Date.parse(item.at) - Date.parse(run.until) > REPEAT_MS) {
      const begun = { first: item, members: [item], until: item.at, index: rows.length }
      runs.set(key, begun)
      all.push(begun)
      rows.push(row)
      continue
    }
    run.members.push(item)
    run.until = item.at
  }
  // A run is named once it is whole: naming it at each of its rows would cost their square.
  for (const { first, members, until, index } of all)
    if (members.length > 1) rows[index] = { item: repeatRow(first, members, until), members }
  return rows
}

const repeatRow = (first: TimelineItem, members: readonly TimelineItem[], until: string): TimelineItem => ({
  ...first,
  id: `fold:${first.id}`,
  title: `${members.length} × ${first.title}`,
  data: { ...first.data, count: members.length, until },
  folded: members.slice(0, MAX_FOLDED).map((item) => item.id),
})

const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null)
