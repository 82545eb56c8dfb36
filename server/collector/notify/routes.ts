import { type ChannelConfig, type Incident, SEVERITIES } from '../../contract/index.ts'

const fits = (pattern: string, kind: string): boolean =>
  pattern === '*' || (pattern.endsWith('.*') ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern)

/** Whether a channel is told of an incident: by severity, region and signal. */
export const isRouted = (
  { min, regions, signals }: Pick<ChannelConfig, 'min' | 'regions' | 'signals'>,
  incident: Pick<Incident, 'severity' | 'regions' | 'signals'>,
): boolean =>
  SEVERITIES.indexOf(incident.severity) >= SEVERITIES.indexOf(min) &&
  (regions === undefined || incident.regions.some((region) => regions.includes(region))) &&
  (signals === undefined ||
    incident.signals.some(({ kind }) => signals.some((pattern) => fits(pattern, kind))))
