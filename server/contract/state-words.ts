import type { DrainOutcome } from './drains.ts'
import type { DrainState, DrainStepPhase, IncidentState, Intent, ObservedState, Severity } from './states.ts'

/**
 * The words for every state, for pages and the command line alike. A state that reads well as it is stands here all the same, so that
 * there is one place to change.
 */
export const OBSERVED_WORDS: Readonly<Record<ObservedState, string>> = {
  unknown: 'unknown',
  up: 'up',
  degraded: 'degraded',
  draining: 'draining',
  drained: 'drained',
  down: 'down',
}

export const INTENT_WORDS: Readonly<Record<Intent, string>> = {
  serving: 'serving',
  drain: 'drained',
  maintenance: 'maintenance',
}

export const DRAIN_WORDS: Readonly<Record<DrainState, string>> = {
  planned: 'planned',
  running: 'running',
  paused: 'paused',
  drained: 'drained',
  resuming: 'resuming',
  resumed: 'resumed',
  aborting: 'aborting',
  aborted: 'aborted',
  failed: 'failed',
}

/** Where one node stands while its drain is under way. */
export const DRAIN_STEP_WORDS: Readonly<Record<DrainStepPhase, string>> = {
  waiting: 'waiting',
  pre_drain: 'leaving the balancer',
  connections: 'finishing connections',
  tunnels: 'moving tunnels',
  proving: 'proving it empty',
  done: 'empty',
}

/** What became of one node in its drain. */
export const DRAIN_OUTCOME_WORDS: Readonly<Record<DrainOutcome, string>> = {
  empty: 'empty, held out of service',
  unproven: 'drained (unproven), held out of service',
  exited: 'empty, its process has ended',
  kept_serving: 'kept serving',
  back: 'serving again',
  held: 'held out of service',
  out: 'could not be brought back',
}

/** What can be proved of a drained node. */
export const PROOF_WORDS: Readonly<Record<'counted' | 'none', string>> = {
  counted: 'its connections are counted',
  none: 'none: ends drained (unproven)',
}

export const INCIDENT_WORDS: Readonly<Record<IncidentState, string>> = {
  open: 'open',
  acknowledged: 'acknowledged',
  mitigated: 'mitigated',
  resolved: 'resolved',
}

export const SEVERITY_WORDS: Readonly<Record<Severity, string>> = {
  info: 'info',
  warning: 'warning',
  critical: 'critical',
}

export const TUNNEL_WORDS: Readonly<Record<'registered' | 'lost', string>> = {
  registered: 'registered',
  lost: 'lost',
}
