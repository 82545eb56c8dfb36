import type { Drain, DrainAction } from './drains.ts'
import { ACTIVE_DRAIN_STATES, type DrainState } from './states.ts'

/** What an operator may do to a drain, in which of its states, and where it leads. */
export interface DrainVerb {
  from: readonly DrainState[]
  to: DrainState
  /** Why not, where it is not allowed. */
  says: string
}

/** The one table of verbs by state: what is not allowed here is refused by the server and not offered by the page. */
export const DRAIN_VERBS: Readonly<Record<DrainAction, DrainVerb>> = {
  pause: { from: ['running'], to: 'paused', says: 'only a running drain can be paused' },
  continue: { from: ['paused'], to: 'running', says: 'only a paused drain can go on' },
  abort: {
    from: ['planned', 'running', 'paused', 'drained', 'resuming', 'aborting'],
    to: 'aborting',
    says: 'a drain that has ended cannot be aborted',
  },
  resume: {
    from: ['drained', 'resuming', 'aborted', 'failed'],
    to: 'resuming',
    says: 'only what is out of service can be resumed',
  },
}

type Known = Pick<Drain, 'state' | 'strategy' | 'steps'>

/** Its processes have ended, and so has the drain: nothing is left to steer. */
export const isFinishedExit = (drain: Pick<Drain, 'state' | 'strategy'>): boolean =>
  drain.state === 'drained' && drain.strategy.mode === 'exit'

/** True while the drain owns its region or node: a second one there is refused. */
export const isActiveDrain = (drain: Pick<Drain, 'state' | 'strategy'>): boolean =>
  ACTIVE_DRAIN_STATES.includes(drain.state) && !isFinishedExit(drain)

/** Nodes that this drain has out of service although it has ended, or has nothing more to do. */
export const nodesOut = (drain: Known): string[] => {
  if (isFinishedExit(drain)) return []
  if (!['drained', 'aborted', 'failed'].includes(drain.state)) return []
  return drain.steps
    .filter(({ outcome, phase }) =>
      // A record of an older version does not say how a step ended.
      outcome === undefined ? phase !== 'waiting' : ['empty', 'held', 'out'].includes(outcome),
    )
    .map((step) => step.node)
}

/** Null where the verb is possible now, else why not. */
export const whyNot = (drain: Known, action: DrainAction): string | null => {
  const verb = DRAIN_VERBS[action]
  if (isFinishedExit(drain)) return 'the processes of this drain have exited; start them again instead'
  if (!verb.from.includes(drain.state)) return verb.says
  const ended = drain.state === 'aborted' || drain.state === 'failed'
  return action === 'resume' && ended && nodesOut(drain).length === 0 ? 'everything serves already' : null
}
