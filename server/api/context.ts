import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import type { Auth } from '../auth/auth.ts'
import type { ClientAddresses } from '../auth/client-address.ts'
import type { CollectorHandle } from '../collector/handle.ts'
import type { ConfigInForceAnswer } from '../contract/answers/config.ts'
import type { DemoInfo, Problem, Scenario, ScenarioName } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { MetricsPage } from '../observe/metrics.ts'
import type { StoreMeasure } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'

export type Env = { Bindings: HttpBindings; Variables: { requestId: string } }
export type ApiContext = Context<Env>
export type ApiApp = Hono<Env>

/** What the API may ask of the demo fleet. */
export interface DemoHandle {
  info(): DemoInfo
  scenarios(): Scenario[]
  /** Answers the one that runs already. Rejects with `ERR_CONFLICT` where it runs on another node, `ERR_NOT_FOUND`. */
  startScenario(name: ScenarioName, node?: string): Promise<Scenario>
  /** Ending one that does not run is harmless. */
  endScenario(name: ScenarioName): Promise<unknown>
}

/** What the API may ask of the configuration. */
export interface ConfigHandle {
  inForce(): ConfigInForceAnswer
  /** Every problem of a text that might become the file. */
  check(text: string): readonly Problem[]
}

export interface LiveFigures {
  slowCut: number
  refused: { places: number; messages: number; topics: number }
  ringBytes: number
  readsWaiting: number
  readsRefused: number
}

export interface ApiOptions {
  store: Store
  auth: Auth
  collector: CollectorHandle
  live: {
    hub(): string
    seq(): number
    subscribers(): number
    slowClosed(): number
    /** For metrics; absent where there is no live stream. */
    figures?(): LiveFigures
  }
  /** Null unless the demo fleet runs. */
  demo: DemoHandle | null
  demoMode: boolean
  configuration: ConfigHandle
  version: string
  /** Epoch ms at which the process began; default now. */
  startedAt?: number
  /** Size, growth and retention of the store, for the system page. */
  measure?: () => Promise<StoreMeasure>
  ready(): { ok: boolean; reason: string | null }
  /** Text of `/metrics`; without one the API answers a page of its own figures. */
  metrics?: MetricsPage
  /** Where requests come from. Default: no proxy is believed. */
  clients?: ClientAddresses
  /** Connections of the web server that were closed at once, by ceiling. */
  connectionsRefused?(): Readonly<Record<string, number>>
  log: Log
  /** Milliseconds a handler may take; default 30 000. */
  deadlineMs?: number
}
