import {
  type DrainPlan,
  type DrainPreviewRequest,
  type Strategy,
  strategySchema,
} from '../../../contract/drains.ts'
import { AppError } from '../../../contract/errors.ts'
import { type DrainSubject, subjectOf } from '../drain-subject.ts'
import { planDrain } from '../plan.ts'
import { withTwins } from '../take-over.ts'
import type { DeskRoom } from './desk-room.ts'

/** Days ahead for which a drain may be planned: until then it keeps its nodes for itself. */
const MAX_DAYS_AHEAD = 30
const DAY_MS = 86_400_000

/** Every field that was not given has its default. Throws `ERR_INVALID` for an hour that is too far away. */
export const strategyOf = (
  { clock }: Pick<DeskRoom, 'clock'>,
  given: Partial<Strategy> | undefined,
): Strategy => {
  const strategy = strategySchema.parse(given ?? {})
  const { startAt } = strategy
  if (startAt !== undefined && Date.parse(startAt) - clock.now() > MAX_DAYS_AHEAD * DAY_MS) {
    const message = `is more than ${MAX_DAYS_AHEAD} days away; plan the drain when its time is nearer`
    throw new AppError('ERR_INVALID', `strategy.startAt ${message}`, {
      problems: [{ path: 'strategy.startAt', message }],
    })
  }
  return strategy
}

/** The plan as it is now; decided again, with the same rules, when the drain is created. */
export const planOf = (
  { book, fleet, clock }: DeskRoom,
  subject: DrainSubject,
  strategy: Strategy,
): DrainPlan => {
  const active = book.activeOn(
    withTwins(
      fleet,
      subject.nodes.map((node) => node.id),
    ),
  )
  const servers = new Set(book.floor.servers(null).map((node) => node.id))
  const running = active === null ? null : { id: active.id, since: active.createdAt }
  return planDrain(fleet, subject, strategy, { running, servers, now: clock.now() })
}

/** Says what a drain would do, and touches nothing. */
export const previewDrain = (room: DeskRoom, request: DrainPreviewRequest): DrainPlan =>
  planOf(room, subjectOf(room.fleet, request), strategyOf(room, request.strategy))
