import type { Intent, MaintenanceMark, Node } from '../../contract/index.ts'
import type { Absence } from '../drains/absences.ts'
import type { Standing } from '../drains/standing.ts'
import type { FleetNode } from './fleet-node.ts'
import type { Intents } from './intents.ts'
import type { Members } from './members.ts'

export interface WhereaboutsOptions {
  members: Members
  intents: Intents
  /** Wall clock in epoch ms. */
  now: () => number
  /** Why a drain may have a node away, and for how long (ms, null: until it is back). */
  absence: (node: string) => Absence | null
  /** The maintenance window that covers all of these now; default none. */
  maintenance?: (whom: { regions: readonly string[]; nodes: readonly string[] }) => MaintenanceMark | null
  /** Where a drain has a node. */
  standing: (node: string) => Standing | null
}

/** What is wanted of nodes, and what explains that they are not where they serve: drains and maintenance. */
export class Whereabouts {
  readonly #options: WhereaboutsOptions

  constructor(options: WhereaboutsOptions) {
    this.#options = options
  }

  /** The maintenance window that covers all of these now. */
  maintenance(whom: { regions: readonly string[]; nodes: readonly string[] }): MaintenanceMark | null {
    return this.#options.maintenance?.(whom) ?? null
  }

  /** What is wanted of a node: what a drain wants before what maintenance allows. */
  intent(node: string): Intent {
    const wanted = this.#options.intents.of(node)
    if (wanted !== undefined) return wanted
    const region = this.#options.members.get(node)?.region
    const inMaintenance =
      region !== undefined && this.maintenance({ regions: [region], nodes: [node] }) !== null
    return inMaintenance ? 'maintenance' : 'serving'
  }

  /** A drain explains why this node does not answer; null where it answers, where none does, or where that has lasted too long. */
  away(id: string): NonNullable<Node['away']> | null {
    const node = this.#options.members.get(id)
    if (node?.judgement.state !== 'down') return null
    const absence = this.#options.absence(id)
    if (absence === null) return null
    const { drainId, limitMs } = absence
    if (limitMs === null) return { drainId, until: null }
    const until = (node.judgement.badSince ?? node.judgement.since) + limitMs
    return this.#options.now() <= until ? { drainId, until: new Date(until).toISOString() } : null
  }

  /** Whether a drain or maintenance explains that a node's process ends and another begins, also where no poll misses it. */
  mayRestart(id: string): boolean {
    const node = this.#options.members.get(id)
    if (node === null) return false
    return (
      this.#options.absence(id) !== null || this.maintenance({ regions: [node.region], nodes: [id] }) !== null
    )
  }

  /**
   * Where a drain has a node that answers and does not say by itself whether it serves: another program, or one that was drained by its
   * operator's URL. Null for all others.
   */
  standing(node: FleetNode): Standing | null {
    const { judgement, facts, target } = node
    const answers = judgement.state === 'up' || judgement.state === 'degraded'
    if (!answers || this.intent(node.id) === 'serving') return null
    const saysItself = facts?.state !== undefined && target.drain === undefined
    return saysItself ? null : this.#options.standing(node.id)
  }
}
