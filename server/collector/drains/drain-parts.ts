import type { DrainedNodes } from './drained-nodes.ts'
import type { MoveWatch } from './move-watch.ts'
import type { Receivers } from './receivers.ts'
import type { Remarks } from './remarks.ts'
import type { Tally } from './tally.ts'
import type { Transitions } from './transitions.ts'

/** The parts of one drain, put together by its run. */
export interface DrainParts {
  readonly nodes: DrainedNodes
  readonly moves: MoveWatch
  readonly tally: Tally
  readonly receivers: Receivers
  readonly transitions: Transitions
  readonly remarks: Remarks
}
