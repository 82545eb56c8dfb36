import type { IsoTime } from './ids.ts'

export const SCENARIOS = ['push-stuck', 'kill-node'] as const
export type ScenarioName = (typeof SCENARIOS)[number]

export interface Scenario {
  name: ScenarioName
  title: string
  /** What it does to which node, in a sentence. */
  does: string
  running: boolean
  startedAt: IsoTime | null
  node: string | null
}

/** `GET /api/v1/demo`: how to join the demo fleet with a host of one's own. */
export interface DemoInfo {
  relays: { node: string; region: string; url: string }[]
  /** Host ids that the demo's relays accept besides its own, with their tokens. */
  spareHosts: { hostId: string; token: string }[]
}
