import type { NodeKind } from '../../contract/states.ts'
import type { Adapter, DrainVerbs } from './adapter.ts'
import { CaddyAdapter, type CaddyTarget } from './caddy/adapter.ts'
import { EnvoyAdapter } from './envoy/adapter.ts'
import type { EnvoyTarget } from './envoy/target.ts'
import { HaproxyAdapter } from './haproxy/adapter.ts'
import type { HaproxyTarget } from './haproxy/target.ts'
import { HttpAdapter, type HttpTarget } from './http/adapter.ts'
import { JsonAdapter, type JsonTarget } from './json/adapter.ts'
import { NginxAdapter, type NginxTarget } from './nginx/adapter.ts'
import { PrometheusAdapter, type PrometheusTarget } from './prometheus/adapter.ts'
import { TcpAdapter, type TcpTarget } from './tcp/adapter.ts'
import { TidegateAdapter, type TidegateOptions, type TidegateTarget } from './tidegate/adapter.ts'
import { TlsAdapter, type TlsTarget } from './tls/adapter.ts'
import { Webhooks } from './webhook/webhooks.ts'

/** A node as the configuration, or this process, names it. */
export type NodeTarget =
  | TidegateTarget
  | JsonTarget
  | PrometheusTarget
  | HaproxyTarget
  | EnvoyTarget
  | CaddyTarget
  | NginxTarget
  | HttpTarget
  | TcpTarget
  | TlsTarget

/** What every kind of node is read by: the one place that knows all adapters. */
export class Adapters {
  readonly #byKind: { readonly [Kind in NodeKind]: Adapter<Extract<NodeTarget, { kind: Kind }>> }

  readonly #webhooks: Webhooks

  constructor(options: TidegateOptions) {
    this.#byKind = {
      tidegate: new TidegateAdapter(options),
      json: new JsonAdapter(options),
      prometheus: new PrometheusAdapter(options),
      haproxy: new HaproxyAdapter(options),
      envoy: new EnvoyAdapter(options),
      caddy: new CaddyAdapter(options),
      nginx: new NginxAdapter(options),
      http: new HttpAdapter(options),
      tcp: new TcpAdapter(options),
      tls: new TlsAdapter(options),
    }
    this.#webhooks = new Webhooks(options)
  }

  of(kind: NodeKind): Adapter<NodeTarget> {
    return this.#byKind[kind]
  }

  /** How a node is taken out of service: by its operator's URL where its entry names one, else as its kind knows; null where nothing can. */
  drains(target: () => NodeTarget): DrainVerbs | null {
    const { kind, drain } = target()
    const adapter = this.of(kind)
    if (drain === undefined) return adapter.drains?.(target) ?? null
    return this.#webhooks.verbs(target, drain.webhook, (node) => adapter.probe(node))
  }

  async close(): Promise<void> {
    const all = [...Object.values(this.#byKind), this.#webhooks]
    await Promise.all(all.map((each) => each.close()))
  }
}
