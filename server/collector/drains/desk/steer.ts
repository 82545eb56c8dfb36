import type { Actor } from '../../../contract/access.ts'
import { DRAIN_VERBS, whyNot } from '../../../contract/drain-rules.ts'
import type { Drain, DrainAction, DrainActionRequest } from '../../../contract/drains.ts'
import { AppError } from '../../../contract/errors.ts'
import { drainAudit } from '../drain-audit.ts'
import type { DrainRun } from '../drain-run.ts'
import { withTwins } from '../take-over.ts'
import type { DeskRoom } from './desk-room.ts'

/** Pause, continue, abort and resume: allowed where the one table of verbs says so, refused with `ERR_CONFLICT` and its reason elsewhere. */
export const steerDrain = async (
  room: DeskRoom,
  id: string,
  action: DrainAction,
  request: DrainActionRequest,
  actor: Actor,
): Promise<Drain> => {
  const { book } = room
  const run = await book.find(id)
  // Of two that were read from the store at the same time, the first that was steered is the one.
  const steer = () => steerRun(room, book.get(id) ?? run, action, request, actor)
  // What makes a drain active again, or lets it take out more, is decided like a new one.
  return action === 'continue' || action === 'resume' ? book.floor.decide(steer) : steer()
}

const steerRun = async (
  { book, clock, fleet }: DeskRoom,
  run: DrainRun,
  action: DrainAction,
  request: DrainActionRequest,
  actor: Actor,
): Promise<Drain> => {
  const { drain, record } = run
  const { to } = DRAIN_VERBS[action]
  const outrunsTick = action === 'abort'
  record.check(request.version, { outrunsTick })
  const why = whyNot(drain, action)
  if (why !== null)
    throw new AppError('ERR_CONFLICT', `This drain is ${drain.state}; ${why}`, { state: drain.state })
  const other = book.activeOn(withTwins(fleet, run.nodes), drain.id)
  if (other !== null) {
    throw new AppError('ERR_DRAIN_RUNNING', `Drain ${other.id} is active here now; steer that one`, {
      drain: other.id,
      drainId: other.id,
    })
  }
  if (action === 'continue') refuseLastServer(book.floor, run)
  book.keep(run)
  const { state, version } = drain
  const end = request.end === undefined ? {} : { end: request.end }
  const deed = {
    action,
    at: clock.now(),
    before: { state, version },
    after: { state: to, end: request.end ?? null },
    reason: null,
  }
  return run.steer(to, actor.name, {
    expectedVersion: request.version,
    outrunsTick,
    ...end,
    audit: [drainAudit(actor, drain, deed)],
  })
}

/** Going on takes out what still waits: not where nothing else would serve. */
const refuseLastServer = (floor: DeskRoom['book']['floor'], { drain, nodes, record }: DrainRun): void => {
  const takesMore = drain.steps.some((step) => step.phase === 'waiting')
  const blocker = takesMore && !record.progress.forced ? floor.refusal(nodes, drain.id) : null
  if (blocker === null) return
  throw new AppError('ERR_DRAIN_BLOCKED', `This drain is blocked: ${blocker.message}`, {
    blockers: [blocker],
  })
}
