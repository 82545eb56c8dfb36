import type { FleetEvent } from '@/server/contract/events.ts'

/** The newest event of a run, with how many of the same kind came with it. */
export interface EventRun {
  event: FleetEvent
  alike: number
}

/** A fleet that does one thing on six nodes at once interleaves its events; within this they are one change. */
const TOGETHER_MS = 10_000

/** Folds events of one type that came together, so that routine does not push out what is rare. Newest first. */
export const foldRuns = (events: readonly FleetEvent[]): EventRun[] => {
  const runs: EventRun[] = []
  const latest = new Map<string, { run: EventRun; at: number; index: number }>()
  for (const event of events) {
    const at = Date.parse(event.at)
    const known = latest.get(event.type)
    const neighbour = known?.index === runs.length - 1
    if (known && !event.type.startsWith('incident.') && (neighbour || known.at - at < TOGETHER_MS)) {
      known.run.alike++
      known.at = at
    } else {
      const run = { event, alike: 0 }
      runs.push(run)
      latest.set(event.type, { run, at, index: runs.length - 1 })
    }
  }
  return runs
}
