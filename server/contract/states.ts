/** What the collector observes of a node or region, whatever the operator wants. */
export const OBSERVED_STATES = ['unknown', 'up', 'degraded', 'draining', 'drained', 'down'] as const
export type ObservedState = (typeof OBSERVED_STATES)[number]

/** What the operator wants of a node or region. */
export const INTENTS = ['serving', 'drain', 'maintenance'] as const
export type Intent = (typeof INTENTS)[number]

/** A node's own view of itself, in its `/health`. */
export const NODE_STATES = ['starting', 'serving', 'draining', 'drained', 'stopping'] as const
export type NodeState = (typeof NODE_STATES)[number]

/** Kinds of node that can be watched: each is read by an adapter of its own. */
export const NODE_KINDS = [
  'tidegate',
  'json',
  'prometheus',
  'haproxy',
  'envoy',
  'caddy',
  'nginx',
  'http',
  'tcp',
  'tls',
] as const
export type NodeKind = (typeof NODE_KINDS)[number]

/** The four bounded phases of a node's drain, in order. */
export const DRAIN_PHASES = ['pre_drain', 'connections', 'tunnels', 'cleanup'] as const
export type DrainPhase = (typeof DRAIN_PHASES)[number]

/** Where one node stands within an operator's drain. */
export const DRAIN_STEP_PHASES = [
  'waiting',
  'pre_drain',
  'connections',
  'tunnels',
  'proving',
  'done',
] as const
export type DrainStepPhase = (typeof DRAIN_STEP_PHASES)[number]

export const DRAIN_STATES = [
  'planned',
  'running',
  'paused',
  'drained',
  'resuming',
  'resumed',
  'aborting',
  'aborted',
  'failed',
] as const
export type DrainState = (typeof DRAIN_STATES)[number]

export const INCIDENT_STATES = ['open', 'acknowledged', 'mitigated', 'resolved'] as const
export type IncidentState = (typeof INCIDENT_STATES)[number]

export const SEVERITIES = ['info', 'warning', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** True where `role` may do what `needed` may. */
export const roleAllows = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed)
