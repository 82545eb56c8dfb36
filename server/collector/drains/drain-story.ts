import type { Drain, DrainReport } from '../../contract/drains.ts'
import type { DrainState } from '../../contract/states.ts'
import type { DrainFleet } from './drain-fleet.ts'

/** Records a change of state as events, for timelines and other listeners. */
export const recordTransition = async (
  fleet: Pick<DrainFleet, 'record'>,
  drain: Drain,
  change: { from: DrainState; by: string; end: 'serving' | 'held'; phases: DrainReport['phases'] },
): Promise<void> => {
  const where = { node: drain.node ?? null, region: drain.region ?? null }
  const common = { drainId: drain.id, scope: 'drain' as const }
  const { from, by } = change
  const to = drain.state
  await fleet.record('drain.phase_changed', { ...common, from, to }, where)
  if (from === 'planned' && to === 'running') {
    const { reason, createdBy: initiator, strategy } = drain
    await fleet.record('drain.started', { ...common, reason, initiator, mode: strategy.mode }, where)
  } else if (to === 'drained') {
    const phases = change.phases.map(({ phase, actualMs, budgetMs }) => ({ phase, actualMs, budgetMs }))
    await fleet.record('drain.completed', { ...common, warnings: drain.report?.notes ?? [], phases }, where)
  } else if (to === 'aborted') {
    const reason = drain.note ?? `by ${by}`
    await fleet.record('drain.aborted', { ...common, reason, end: change.end }, where)
  } else if (to === 'resumed') {
    await fleet.record('drain.resumed', { drainId: drain.id, actor: by }, where)
  }
}
