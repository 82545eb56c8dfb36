import type { Drain, DrainReport, PlannedPhase } from '../../contract/drains.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { Health } from '../../contract/health.ts'
import { DRAIN_PHASES } from '../../contract/states.ts'
import type { DrainProgress } from './drain-progress.ts'
import { gapStatistics } from './gaps.ts'
import { lostInAll } from './lost-requests.ts'
import { countersOf } from './step-counters.ts'

/** What the drain cost, in numbers. */
export const reportOf = (drain: Drain, progress: DrainProgress, durationMs: number): DrainReport => {
  const gaps = gapStatistics(drain.moves)
  const notes = [...progress.notes]
  const unmeasured = gaps.moved - gaps.count
  if (unmeasured > 0)
    notes.push(
      `${unmeasured} tunnels moved, but their gap could not be measured because the host or a node restarted`,
    )
  return {
    gaps,
    connections: progress.connections,
    requestsFailed: progress.requestsFailed + (progress.lost === null ? 0 : lostInAll(progress.lost)),
    phases: progress.phases,
    moves: drain.moves,
    durationMs: Math.max(0, Math.round(durationMs)),
    notes,
  }
}

/** Adds what a node finished and cut between the beginning of its step and now. */
export const countStep = (progress: DrainProgress, node: string, document: Health | null): void => {
  const baseline = progress.baselines[node]
  if (baseline === undefined || document === null || baseline.epoch !== document.epoch) {
    progress.notes.push(`${node} restarted during the drain, so what finished there was not counted`)
    return
  }
  const now = countersOf(document)
  const aborted = now.aborted - baseline.aborted
  progress.connections.aborted += aborted
  progress.connections.finished += now.closed - baseline.closed - aborted
  // A node that does not count what its drain cost visitors: all that it answered with 5xx is the nearest there is.
  if (document.drain.requestsFailed === undefined) progress.requestsFailed += now.failed - baseline.failed
}

/** Takes in what a node says of its own phases; beside them stands what the plan had said. Answers whether it is news. */
export const notePhases = (
  progress: DrainProgress,
  event: FleetEvent,
  budget: readonly PlannedPhase[],
): boolean => {
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
