import type { FleetEvent } from '@/server/contract/events.ts'

/** An instant worth a line through the charts. */
export interface ChartMarker {
  at: number
  letter: string
  title: string
}

/** The event types that mark charts, with their letter. */
export const MARKED_EVENTS: Record<string, { letter: string; word: string }> = {
  'drain.planned': { letter: 'D', word: 'drain' },
  'drain.resumed': { letter: 'D', word: 'drain resumed' },
  'push.session_invalidated': { letter: 'S', word: 'session invalidated' },
  'node.started': { letter: 'R', word: 'restart' },
  'node.down': { letter: '×', word: 'node down' },
  'incident.opened': { letter: '!', word: 'incident' },
}

/** Letters closer than this would cover each other: the first one represents all. */
export const markersOf = (events: readonly FleetEvent[], apartMs: number): ChartMarker[] => {
  const markers: ChartMarker[] = []
  for (const event of [...events].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))) {
    const mark = MARKED_EVENTS[event.type]
    if (!mark) continue
    const at = Date.parse(event.at)
    const title = `${mark.word}${event.node ? ` ${event.node}` : event.region ? ` ${event.region}` : ''}`
    const near = markers.findLast((marker) => marker.letter === mark.letter && at - marker.at < apartMs)
    if (near) {
      if (!near.title.includes(title)) near.title += `, ${title}`
    } else markers.push({ at, letter: mark.letter, title })
  }
  return markers
}
