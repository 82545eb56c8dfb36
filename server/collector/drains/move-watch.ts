import { drainStateRule } from '../../contract/drain-rules.ts'
import type { DrainMove } from '../../contract/drains.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { DrainContext } from './drain-context.ts'
import { followMoves, namesOf, noticeRegistered } from './moves.ts'
import type { Remarks } from './remarks.ts'

/** How long a tunnel may stay unregistered before the next node is drained anyway; it counts as missing until it returns. */
const MISSING_TUNNEL_WAIT_MS = 60_000
/**
 * With very many hosts one look at all of them costs milliseconds, and a tick comes four times a second: between two looks so many
 * times their cost is left to everything else (a twentieth of the one thread at most). Events report each move meanwhile.
 */
const LOOK_REST = 20

/** Watches each tunnel of a drain from its node to wherever it registers next. */
export class MoveWatch {
  readonly #context: DrainContext
  readonly #remarks: Remarks
  /** Nodes whose tunnels have to leave. */
  readonly #leaving: () => ReadonlySet<string>
  /** Since when a node is empty but for tunnels that are registered nowhere, monotonic ms. */
  readonly #missingSince = new Map<string, number>()
  #lookAgainAt = 0

  constructor(context: DrainContext, remarks: Remarks, leaving: () => ReadonlySet<string>) {
    this.#context = context
    this.#remarks = remarks
    this.#leaving = leaving
  }

  /** Looks where the fleet sees each tunnel, unless that was done a moment ago. */
  look(): void {
    const began = performance.now()
    if (began < this.#lookAgainAt) return
    this.lookNow()
    this.#lookAgainAt = began + LOOK_REST * (performance.now() - began)
  }

  lookNow(): void {
    const { record, fleet } = this.#context
    this.#set(followMoves(record.drain.moves, fleet.tunnels(), this.#leaving()))
  }

  /** Takes notice of an event: a host registered somewhere. */
  observe(event: FleetEvent): void {
    const { drain } = this.#context.record
    if (event.type !== 'tunnel.registered' || !drainStateRule(drain).movesTunnels) return
    this.#set(noticeRegistered(drain.moves, event, this.#leaving()))
  }

  /** True once every tunnel of this node is registered elsewhere, or has been waited for long enough. */
  haveLeft(node: string): boolean {
    const { record, clock } = this.#context
    const missing = record.drain.moves.filter((move) => move.from === node && move.to === null)
    if (missing.length === 0) return true
    const now = clock.monotonic()
    const since = this.#missingSince.get(node) ?? now
    this.#missingSince.set(node, since)
    this.#remarks.add(
      `Waiting for ${missing.length} of ${node}'s tunnels to register elsewhere: ${namesOf(missing)}`,
    )
    if (now - since < MISSING_TUNNEL_WAIT_MS) return false
    record.progress.notes.push(
      `${missing.length} of ${node}'s tunnels did not register elsewhere within ${MISSING_TUNNEL_WAIT_MS / 1_000} s: ${namesOf(missing)}`,
    )
    return true
  }

  #set(moves: readonly DrainMove[]): void {
    const { record } = this.#context
    if (moves !== record.drain.moves) record.change({ moves: [...moves] })
  }
}
