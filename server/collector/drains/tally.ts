import type { Drain, DrainReport, PlannedPhase } from '../../contract/drains.ts'
import type { FleetEvent } from '../../contract/events.ts'
import { DRAIN_PHASES } from '../../contract/states.ts'
import { listWords, plural } from '../../contract/words.ts'
import type { Facts } from '../adapters/facts.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainProgress } from './drain-progress.ts'
import { gapStatistics } from './gaps.ts'
import { lostInAll, noteLost } from './lost-requests.ts'
import { eventsOfDrain } from './missed-events.ts'
import { isSameRun, markOf } from './run-mark.ts'
import { addCounted, countersOf, increaseOf } from './step-counters.ts'

/** What a drain costs, counted while it runs, and its report. All of it is in the progress, so that a restart loses nothing. */
export class Tally {
  readonly #context: DrainContext
  readonly #startedAt: number
  readonly #wallAtStart: number
  /** Events that came while no collector listened are in the store; read from there once. */
  #missedRead: boolean

  constructor(context: DrainContext) {
    this.#context = context
    this.#startedAt = context.clock.monotonic()
    this.#wallAtStart = context.clock.now()
    this.#missedRead = !context.adopted
  }

  /** A node's turn begins: what it has counted so far is not the drain's. */
  beginStep(node: string, facts: Facts): void {
    const counters = countersOf(facts)
    const progress = this.#progress
    progress.baselines[node] = { ...counters, run: markOf(facts, this.#context.clock.now()) }
    if (facts.drain === null) return
    // Counted by itself from here on, also where the drain ends before its step; of others only what a whole step has shown.
    const { connections } = progress
    if (counters.closed !== null) connections.finished ??= 0
    if (counters.aborted !== null) connections.aborted ??= 0
    if (counters.failed !== null || facts.drain.requestsFailed !== undefined) progress.requestsFailed ??= 0
  }

  /** Adds what a node finished and cut between the beginning of its step and now. */
  countStep(node: string, facts: Facts): void {
    const progress = this.#progress
    const baseline = progress.baselines[node]
    if (baseline === undefined || !isSameRun(baseline.run ?? baseline, facts, this.#context.clock.now())) {
      progress.notes.push(`${node} restarted during the drain, so what finished there was not counted`)
      return
    }
    // The same run by another name: another process of ours looked at it when it was asked.
    if (facts.isCountedHere === true && baseline.epoch !== facts.epoch) {
      progress.notes.push(
        `The collector began again during the drain, so what finished at ${node} was not counted`,
      )
      return
    }
    const now = countersOf(facts)
    const { connections, uncounted } = progress
    const aborted = increaseOf(baseline.aborted, now.aborted)
    const closed = increaseOf(baseline.closed, now.closed)
    connections.aborted = addCounted(connections.aborted, aborted)
    connections.finished = addCounted(
      connections.finished,
      closed === null ? null : Math.max(0, closed - (aborted ?? 0)),
    )
    if (closed === null) uncounted.connections.push(node)
    // A node that does not count what its drain cost visitors: all that it answered with 5xx is the nearest there is.
    if (facts.drain?.requestsFailed !== undefined) return
    const failed = increaseOf(baseline.failed, now.failed)
    progress.requestsFailed = addCounted(progress.requestsFailed, failed)
    if (failed === null) uncounted.requests.push(node)
  }

  /** Takes in what a node says that visitors lost. */
  noteLost(node: string, facts: Facts, atStart = false): void {
    const progress = this.#progress
    progress.lost ??= {}
    if (noteLost(progress.lost, node, facts, progress.order, atStart)) this.#context.record.touch()
  }

  /** The same of all nodes that are not in hand, by their last polls: hosts that left are asked for elsewhere. */
  noteLostElsewhere(): void {
    const { fleet } = this.#context
    const progress = this.#progress
    const isFirst = progress.lost === null
    for (const { id } of fleet.nodes()) {
      // What a node in hand says itself is newer than what the last poll said of it.
      if (progress.asked[id] !== undefined) continue
      const facts = fleet.known(id)?.facts
      if (facts) this.noteLost(id, facts, isFirst)
    }
    progress.lost ??= {}
  }

  /** Takes notice of an event: a node says how long its own phases took. */
  observe(event: FleetEvent): void {
    const { record } = this.#context
    if (event.type !== 'drain.completed' || event.data.scope !== 'node') return
    if (event.data.drainId !== record.drain.id) return
    if (notePhases(this.#progress, event, record.drain.budget ?? [])) record.touch()
  }

  /** Hands over what happened while no collector listened. Where the store does not answer it is tried again the next time. */
  async readMissed(observe: (event: FleetEvent) => void): Promise<void> {
    if (this.#missedRead) return
    const { store, record, log } = this.#context
    try {
      for await (const event of eventsOfDrain(store, record.drain)) observe(event)
      this.#missedRead = true
    } catch (error) {
      log.warn(
        { drain: record.drain.id, err: error },
        'the events of the drain could not be read for its report',
      )
    }
  }

  /** Of what is known now. */
  report(): DrainReport {
    const { record, clock } = this.#context
    // The wall says how long it ran before this process took it up; from then on the time is measured.
    const before = Math.max(0, this.#wallAtStart - Date.parse(record.drain.createdAt))
    return reportOf(record.drain, record.progress, before + clock.monotonic() - this.#startedAt)
  }

  get #progress(): DrainProgress {
    return this.#context.record.progress
  }
}

const failedInAll = ({ requestsFailed, lost }: DrainProgress): number | null => {
  const lostElsewhere = lost === null ? 0 : lostInAll(lost)
  return requestsFailed === null && lostElsewhere === 0 ? null : (requestsFailed ?? 0) + lostElsewhere
}

/** A sum over some of the nodes says whom it leaves out. */
const uncountedNotes = ({ connections, requestsFailed, uncounted }: DrainProgress): string[] => [
  ...(connections.finished === null || uncounted.connections.length === 0
    ? []
    : [`Connections that finished are not counted at ${listWords(uncounted.connections)}`]),
  ...(requestsFailed === null || uncounted.requests.length === 0
    ? []
    : [`Requests that failed are not counted at ${listWords(uncounted.requests)}`]),
]

const reportOf = (drain: Drain, progress: DrainProgress, durationMs: number): DrainReport => {
  const gaps = gapStatistics(drain.moves)
  const notes = [...progress.notes, ...uncountedNotes(progress)]
  const unmeasured = gaps.moved - gaps.count
  if (unmeasured > 0)
    notes.push(
      `${plural(unmeasured, 'tunnel')} moved, but ${unmeasured === 1 ? 'its' : 'their'} gap could not be measured because the host or a node restarted`,
    )
  return {
    gaps,
    connections: progress.connections,
    requestsFailed: failedInAll(progress),
    phases: progress.phases,
    moves: drain.moves,
    durationMs: Math.max(0, Math.round(durationMs)),
    notes,
  }
}

/** Takes in what a node says of its own phases; beside them stands what the plan had said. Answers whether it is news. */
const notePhases = (progress: DrainProgress, event: FleetEvent, budget: readonly PlannedPhase[]): boolean => {
  const { node } = event
  const { phases } = event.data
  if (node === null || !Array.isArray(phases) || progress.phases.some((entry) => entry.node === node))
    return false
  for (const { phase, actualMs, budgetMs } of phases as DrainReport['phases']) {
    if (!DRAIN_PHASES.includes(phase)) continue
    const planned = budget.find((entry) => entry.node === node && entry.phase === phase)
    progress.phases.push({
      node,
      phase,
      actualMs,
      budgetMs: planned === undefined ? budgetMs : planned.seconds * 1_000,
    })
  }
  return true
}
