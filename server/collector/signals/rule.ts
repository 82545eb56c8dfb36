import type { Severity, SignalKind } from '../../contract/index.ts'

/** What a rule says of one scope at one moment. `hold` leaves things as they are: it is not known. */
export type SignalVerdict =
  | {
      state: 'open'
      /** When the evidence begins, epoch ms. */
      startedAt: number
      sentence: string
      /** Title of the incident that it would open. */
      title: string
      severity: Severity
      /** What it costs so far, in a sentence. */
      impact: string
    }
  | { state: 'closed'; because: string }
  | { state: 'hold' }

export interface SignalScope {
  kind: SignalKind
  /** `node:fra-1` or `region:fra`. */
  scope: string
  region: string
  /** Nodes that are involved. */
  nodes: readonly string[]
}

/** Thresholds that open and close signals. Defaults are the design's. */
export interface DetectThresholds {
  'push.stuck': {
    /** Pushes received since the last delivery … */
    received: number
    /** … or seconds since it with at least one received … */
    withinSeconds: number
    /** … for so many seconds. */
    forSeconds: number
  }
  'tunnel.storm': {
    /** Share of a region's tunnels. */
    share: number
    withinSeconds: number
    /** Fewer lost hosts than this are no storm, however small the region. */
    minimum: number
    /** Seconds without a further loss after which it is over. */
    quietSeconds: number
  }
  'node.down': {
    /** Good polls in a row that bring a node back. */
    rise: number
    /** Bad polls in a row that make it down. */
    fall: number
  }
}

export type DetectOptions = { [Kind in keyof DetectThresholds]?: Partial<DetectThresholds[Kind]> | undefined }

export const DETECT_DEFAULTS: DetectThresholds = {
  'push.stuck': { received: 20, withinSeconds: 30, forSeconds: 10 },
  'tunnel.storm': { share: 0.2, withinSeconds: 10, minimum: 2, quietSeconds: 30 },
  'node.down': { rise: 2, fall: 3 },
}

export const detectThresholds = (options: DetectOptions = {}): DetectThresholds => ({
  'push.stuck': { ...DETECT_DEFAULTS['push.stuck'], ...options['push.stuck'] },
  'tunnel.storm': { ...DETECT_DEFAULTS['tunnel.storm'], ...options['tunnel.storm'] },
  'node.down': { ...DETECT_DEFAULTS['node.down'], ...options['node.down'] },
})
