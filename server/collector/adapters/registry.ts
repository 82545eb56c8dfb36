import type { NodeKind } from '../../contract/states.ts'
import type { Adapter } from './adapter.ts'
import { HaproxyAdapter } from './haproxy/adapter.ts'
import type { HaproxyTarget } from './haproxy/target.ts'
import { JsonAdapter, type JsonTarget } from './json/adapter.ts'
import { PrometheusAdapter, type PrometheusTarget } from './prometheus/adapter.ts'
import { TidegateAdapter, type TidegateOptions, type TidegateTarget } from './tidegate/adapter.ts'

/** A node as the configuration, or this process, names it. */
export type NodeTarget = TidegateTarget | JsonTarget | PrometheusTarget | HaproxyTarget

/** What every kind of node is read by: the one place that knows all adapters. */
export class Adapters {
  readonly #byKind: { readonly [Kind in NodeKind]: Adapter<Extract<NodeTarget, { kind: Kind }>> }

  constructor(options: TidegateOptions) {
    this.#byKind = {
      tidegate: new TidegateAdapter(options),
      json: new JsonAdapter(options),
      prometheus: new PrometheusAdapter(options),
      haproxy: new HaproxyAdapter(options),
    }
  }

  of(kind: NodeKind): Adapter<NodeTarget> {
    return this.#byKind[kind]
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#byKind).map((adapter) => adapter.close()))
  }
}
