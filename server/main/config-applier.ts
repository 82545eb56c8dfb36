import type { Collector } from '../collector/collector.ts'
import type { FleetChange } from '../collector/fleet/members.ts'
import type { Config } from '../config/schema.ts'
import type { EmbeddedFleet } from '../runtime/embed/embedded-fleet.ts'
import type { SqliteStore } from '../store/sqlite-store.ts'
import type { Applier } from './config-in-force.ts'
import { retentionOf } from './memory.ts'

export interface ConfigApplierOptions {
  /** Name of the file, which the audit names as the author of the change. */
  file: string
  nodes: Pick<EmbeddedFleet, 'changed' | 'nodesAfter' | 'setNodes'>
  collector: Pick<Collector, 'setTargets' | 'setThresholds' | 'setPolling' | 'setNotify' | 'drained'> & {
    readonly fleet: Pick<Collector['fleet'], 'record'>
  }
  store: Pick<SqliteStore, 'setRetention' | 'auditAlways'>
  problemsChanged: () => void
}

/** Puts a configuration into force: nodes that run here, what is watched, by which thresholds, and what is kept. */
export class ConfigApplier implements Applier {
  readonly #options: ConfigApplierOptions

  constructor(options: ConfigApplierOptions) {
    this.#options = options
  }

  changedNodes(next: Config): string[] {
    return this.#options.nodes.changed(next.embedded)
  }

  drained(nodes: readonly string[]): string[] {
    return this.#options.collector.drained(nodes)
  }

  apply(next: Config, commit: (change: FleetChange) => Promise<void>): Promise<FleetChange> {
    const { collector, nodes, store } = this.#options
    return collector.setTargets(
      regionsOf(next),
      [...nodes.nodesAfter(next.embedded), ...remoteNodesOf(next)],
      async (change) => {
        await commit(change)
        // Nothing is awaited from here on: a new node is polled for the first time under the new configuration.
        nodes.setNodes(next.embedded)
        collector.setThresholds(next.detect)
        collector.setPolling(next.polling)
        collector.setNotify(next.notify)
        store.setRetention(retentionOf(next))
      },
    )
  }

  /** A change that cannot be audited does not happen; while the store is away it goes to the emergency file first. */
  async audit({ reason, after }: { reason: string; after: unknown }): Promise<void> {
    const { file, store } = this.#options
    const row = {
      at: new Date().toISOString(),
      actor: file,
      address: null,
      action: 'config.reload',
      object: `config:${file}`,
      before: null,
      after,
      reason,
    }
    await store.auditAlways(row)
  }

  applied(summary: string): void {
    const { file, collector } = this.#options
    void collector.fleet.record('operator.acted', {
      actor: file,
      action: 'config.reload',
      object: 'configuration',
      reason: summary.slice(0, 500),
    })
  }

  problemsChanged(): void {
    this.#options.problemsChanged()
  }
}

export const remoteNodesOf = (config: Config) =>
  config.nodes.map((node) => ({ ...node, url: urlOf(node), embedded: false }))

/** Where a node is asked, as a URL also where its entry names a socket, or a host and port. */
const urlOf = (node: Config['nodes'][number]): string =>
  'url' in node
    ? node.url
    : 'socket' in node && node.socket !== undefined
      ? `unix:${node.socket}`
      : `${node.kind === 'tls' ? 'tls' : 'tcp'}://${node.address}`

export const regionsOf = (config: Config) =>
  config.regions.map((region) => ({ ...region, name: region.name ?? region.id }))
