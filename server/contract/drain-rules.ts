import { DRAIN_ACTIONS, type Drain, type DrainAction } from './drains.ts'
import { DRAIN_STATES, type DrainState } from './states.ts'

/** What one state of a drain means to everyone who asks: server, store, pages and command line. */
export interface DrainStateRule {
  /** The drain owns its region or node: a second one there is refused. (Not once it `drained` in mode `exit`.) */
  owns: boolean
  /** It wants its nodes out of service. */
  wantsOut: boolean
  /** Its nodes are being given back. */
  givesBack: boolean
  /** Tunnels may still move because of it. */
  movesTunnels: boolean
  /** Nothing goes on by itself any more: the next step is an operator's. */
  rests: boolean
  /** What it took out and did not give back stays out of service until somebody resumes it. */
  keepsOut: boolean
  /** A report is made when the drain comes here. (`resumed` keeps that of what was resumed.) */
  reports: boolean
}

const nothing: DrainStateRule = {
  owns: false,
  wantsOut: false,
  givesBack: false,
  movesTunnels: false,
  rests: false,
  keepsOut: false,
  reports: false,
}

/** The one table of states. */
export const DRAIN_STATE_RULES: Readonly<Record<DrainState, DrainStateRule>> = {
  planned: { ...nothing, owns: true },
  running: { ...nothing, owns: true, wantsOut: true, movesTunnels: true },
  paused: { ...nothing, owns: true, wantsOut: true, movesTunnels: true },
  drained: { ...nothing, owns: true, wantsOut: true, rests: true, keepsOut: true, reports: true },
  resuming: { ...nothing, owns: true, givesBack: true },
  resumed: { ...nothing, rests: true },
  // Until it is back, a node of an aborted drain is out because somebody wanted it out.
  aborting: { ...nothing, owns: true, wantsOut: true, givesBack: true, movesTunnels: true },
  aborted: { ...nothing, rests: true, keepsOut: true, reports: true },
  failed: { ...nothing, rests: true, keepsOut: true, reports: true },
}

/** The rule of a drain's state. A state of a newer version, which this one does not know, wants nothing and owns nothing. */
export const drainStateRule = (drain: Pick<Drain, 'state'>): DrainStateRule =>
  DRAIN_STATE_RULES[drain.state] ?? nothing

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

/** Nothing happens in it any more, whatever it left behind. */
export const isOver = (drain: Pick<Drain, 'state'>): boolean => {
  const { rests, owns } = drainStateRule(drain)
  return rests && !owns
}

/** Its moves are what they are: a tunnel that is nowhere by now is missing, and not on its way. */
export const hasSettled = (drain: Pick<Drain, 'state'>): boolean =>
  drain.state !== 'planned' && !drainStateRule(drain).movesTunnels

type Known = Pick<Drain, 'state' | 'strategy' | 'steps'>

/** States in which a drain owns its region or node. A drain in mode `exit` ends `drained`: ask `isActiveDrain`. */
export const ACTIVE_DRAIN_STATES: readonly DrainState[] = DRAIN_STATES.filter(
  (state) => DRAIN_STATE_RULES[state].owns,
)

/** Its processes have ended, and so has the drain: nothing is left to steer. */
export const isFinishedExit = (drain: Pick<Drain, 'state' | 'strategy'>): boolean =>
  drain.state === 'drained' && drain.strategy.mode === 'exit'

/** True while the drain owns its region or node: a second one there is refused. */
export const isActiveDrain = (drain: Pick<Drain, 'state' | 'strategy'>): boolean =>
  drainStateRule(drain).owns && !isFinishedExit(drain)

/** Nodes that this drain has out of service although it has ended, or has nothing more to do. */
export const nodesOut = (drain: Known): string[] => {
  if (isFinishedExit(drain) || !drainStateRule(drain).keepsOut) return []
  return drain.steps
    .filter(({ outcome, phase }) =>
      // A record of an older version does not say how a step ended.
      outcome === undefined ? phase !== 'waiting' : ['empty', 'unproven', 'held', 'out'].includes(outcome),
    )
    .map((step) => step.node)
}

/** Null where the verb is possible now, else why not. */
export const whyNot = (drain: Known, action: DrainAction): string | null => {
  const verb = DRAIN_VERBS[action]
  if (isFinishedExit(drain)) return 'the processes of this drain have exited; start them again instead'
  if (!verb.from.includes(drain.state)) return verb.says
  return action === 'resume' && !isActiveDrain(drain) && nodesOut(drain).length === 0
    ? 'everything serves already'
    : null
}

/** The verbs that an operator is offered: those that are possible and would change something. */
export const offeredVerbs = (drain: Known): DrainAction[] =>
  DRAIN_ACTIONS.filter((action) => whyNot(drain, action) === null && DRAIN_VERBS[action].to !== drain.state)
