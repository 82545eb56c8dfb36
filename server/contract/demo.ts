export const SCENARIOS = ['push-stuck', 'kill-node'] as const
export type ScenarioName = (typeof SCENARIOS)[number]
