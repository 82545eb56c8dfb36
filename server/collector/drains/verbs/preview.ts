import {
  type DrainPlan,
  type DrainPreviewRequest,
  type Strategy,
  strategySchema,
} from '../../../contract/drains.ts'
import { type DrainSubject, subjectOf } from '../drain-subject.ts'
import { planDrain } from '../plan.ts'
import type { DeskRoom } from './desk-room.ts'

/** Every field that was not given has its default. */
export const strategyOf = (given: Partial<Strategy> | undefined): Strategy =>
  strategySchema.parse(given ?? {})

/** The plan as it is now; decided again, with the same rules, when the drain is created. */
export const planOf = (
  { book, fleet, clock }: DeskRoom,
  subject: DrainSubject,
  strategy: Strategy,
): DrainPlan => {
  const active = book.activeOn(subject.nodes.map((node) => node.id))
  const servers = new Set(book.floor.servers(null).map((node) => node.id))
  const running = active === null ? null : { id: active.id, since: active.createdAt }
  return planDrain(fleet, subject, strategy, { running, servers, now: clock.now() })
}

/** Says what a drain would do, and touches nothing. */
export const previewDrain = (room: DeskRoom, request: DrainPreviewRequest): DrainPlan =>
  planOf(room, subjectOf(room.fleet, request), strategyOf(request.strategy))
