import type { FleetEvent } from '@/server/contract/events.ts'

/** The newest event of a run, with how many of the same kind came right before it. */
export interface EventRun {
  event: FleetEvent
  alike: number
}

/** Folds neighbours of the same type, so that routine does not push out what is rare. */
export const foldRuns = (events: readonly FleetEvent[]): EventRun[] => {
  const runs: EventRun[] = []
  for (const event of events) {
    const last = runs.at(-1)
    if (last && last.event.type === event.type && !event.type.startsWith('incident.')) last.alike++
    else runs.push({ event, alike: 0 })
  }
  return runs
}
