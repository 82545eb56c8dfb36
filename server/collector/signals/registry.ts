import { certificateExpiring } from './certificate-expiring.ts'
import { certificateFailed } from './certificate-failed.ts'
import { drainResidue } from './drain-residue.ts'
import { drainStalled } from './drain-stalled.ts'
import { nodeClockSkew } from './node-clock-skew.ts'
import { nodeDown } from './node-down.ts'
import { nodeRestarted } from './node-restarted.ts'
import { nodeWrongRegion } from './node-wrong-region.ts'
import { pushStuck } from './push-stuck.ts'
import { regionUnreachable } from './region-unreachable.ts'
import { tunnelStorm } from './tunnel-storm.ts'

/**
 * Every signal there is. Configuration, its JSON Schema, `docs/signals.md` and the defaults are made from this list. They are looked at
 * in this order, causes before effects: what is seen in the same second folds into the incident of its cause.
 */
export const SIGNAL_RULES = [
  regionUnreachable,
  nodeWrongRegion,
  nodeDown,
  nodeRestarted,
  tunnelStorm,
  pushStuck,
  nodeClockSkew,
  drainStalled,
  drainResidue,
  certificateFailed,
  certificateExpiring,
] as const
