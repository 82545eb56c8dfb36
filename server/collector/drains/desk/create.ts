import { ulid } from 'ulid'
import type { Actor } from '../../../contract/access.ts'
import {
  type Drain,
  type DrainCreateRequest,
  type DrainNotice,
  isForceable,
  type Strategy,
} from '../../../contract/drains.ts'
import { AppError } from '../../../contract/errors.ts'
import { roleAllows } from '../../../contract/states.ts'
import { drainAudit } from '../drain-audit.ts'
import { newProgress } from '../drain-progress.ts'
import type { DrainRun } from '../drain-run.ts'
import { type DrainSubject, subjectOf } from '../drain-subject.ts'
import { movesAtStart } from '../moves.ts'
import { withTwins } from '../take-over.ts'
import { moveWorries, receiverWorries } from '../worries.ts'
import type { DeskRoom } from './desk-room.ts'
import { planOf, strategyOf } from './preview.ts'

/** Creates a drain that an operator confirmed: durable first, then driven. Rejects with the code of what speaks against it. */
export const createDrain = async (
  room: DeskRoom,
  request: DrainCreateRequest,
  actor: Actor,
): Promise<Drain> => {
  const { book, fleet } = room
  const subject = subjectOf(fleet, request)
  const strategy = strategyOf(room, request.strategy)
  refuseUnconfirmed(subject, request)
  refuseForceOf(actor, request)
  refuseEmbeddedExit(subject, strategy)
  // One decision at a time, from the look at the fleet to the durable record: the fleet may be another one when our turn comes.
  const run = await book.floor.decide(() => launch(room, subjectOf(fleet, request), strategy, request, actor))
  run.start()
  return run.drain
}

const launch = async (
  room: DeskRoom,
  subject: DrainSubject,
  strategy: Strategy,
  request: DrainCreateRequest,
  actor: Actor,
): Promise<DrainRun> => {
  const { book, fleet, clock } = room
  const { region, node } = subject
  const order = subject.nodes.map((each) => each.id)
  const isForced = request.force === true
  refuseSecond(room, subject, order)
  const { blockers, phases } = planOf(room, subject, strategy)
  refuseBlocked(blockers, isForced)
  const drain: Drain = {
    ...newDrain(subject, strategy, request.reason, actor, clock.now()),
    moves: movesAtStart(fleet.tunnels(), new Set(order)),
    budget: phases,
  }
  const worries = [...receiverWorries(fleet, order, region), ...moveWorries(fleet, region, [])]
  const progress = newProgress(order, {
    forced: isForced,
    notes: blockers.map((blocker) => `Forced although: ${blocker.message}`),
    // What the plan showed before the start is not news; only what goes wrong later pauses the drain.
    accepted: worries.map(({ code }) => code),
  })
  const run = book.runOf(drain, { ...progress }, false)
  const deed = {
    action: isForced ? 'force' : 'create',
    at: clock.now(),
    before: null,
    after: { region, node, strategy, blockers },
    reason: request.reason,
  }
  await run.record.create([drainAudit(actor, drain, deed)])
  book.keep(run)
  return run
}

const nameOf = ({ region, node }: DrainSubject): string => region ?? node ?? ''

const refuseUnconfirmed = (subject: DrainSubject, { confirm }: DrainCreateRequest): void => {
  const expected = nameOf(subject)
  if (confirm !== expected) {
    throw new AppError('ERR_CONFIRM_MISMATCH', `Type ${expected} to confirm; "${confirm}" was typed`, {
      expected,
    })
  }
}

const refuseForceOf = (actor: Actor, request: DrainCreateRequest): void => {
  if (request.force === true && !roleAllows(actor.role, 'admin'))
    throw new AppError('ERR_FORBIDDEN', 'Only an administrator may force a drain', { needed: 'admin' })
}

const refuseEmbeddedExit = ({ nodes }: DrainSubject, strategy: Strategy): void => {
  const embedded = nodes.find((node) => node.embedded)
  if (strategy.mode !== 'exit' || embedded === undefined) return
  throw new AppError(
    'ERR_UNSUPPORTED',
    `${embedded.id} is embedded in the collector and cannot exit alone; use mode hold`,
    {},
  )
}

const refuseSecond = ({ book, fleet }: DeskRoom, subject: DrainSubject, order: readonly string[]): void => {
  const other = book.activeOn(withTwins(fleet, order))
  if (other === null) return
  const { id: drain, createdAt: since, createdBy: by } = other
  throw new AppError(
    'ERR_DRAIN_RUNNING',
    `${nameOf(subject)} has been draining since ${since} (${by}); end drain ${drain} first`,
    { drain, drainId: drain, since, by },
  )
}

/** An administrator may force what is a risk; what cannot be done stays impossible. */
const refuseBlocked = (blockers: readonly DrainNotice[], isForced: boolean): void => {
  const standing = isForced ? blockers.filter((blocker) => !isForceable(blocker)) : blockers
  if (standing.length === 0) return
  throw new AppError(
    'ERR_DRAIN_BLOCKED',
    `This drain is blocked: ${standing.map((blocker) => blocker.message).join('; ')}`,
    { blockers: standing },
  )
}

const newDrain = (
  subject: DrainSubject,
  strategy: Strategy,
  reason: string,
  actor: Actor,
  now: number,
): Drain => {
  const at = new Date(now).toISOString()
  return {
    id: ulid(now),
    ...(subject.region === null ? {} : { region: subject.region }),
    ...(subject.node === null ? {} : { node: subject.node }),
    reason,
    strategy,
    state: 'planned',
    version: 1,
    createdAt: at,
    createdBy: actor.name,
    updatedAt: at,
    updatedBy: actor.name,
    note: null,
    steps: subject.nodes.map(({ id: node }) => ({
      node,
      phase: 'waiting',
      startedAt: null,
      endedAt: null,
      remaining: null,
    })),
    moves: [],
  }
}
