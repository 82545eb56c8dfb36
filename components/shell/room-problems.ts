import type { Overview, RoomProblem } from '@/server/contract/fleet.ts'

/** What is wrong with the room itself. A failing store is shown even where the server does not name it. */
export const roomProblems = (
  overview: Pick<Overview, 'problems' | 'collector' | 'at'> | undefined,
): RoomProblem[] => {
  if (!overview) return []
  const problems = overview.problems ?? []
  if (overview.collector.storeOk || problems.some((problem) => problem.code.startsWith('store')))
    return problems
  return [
    {
      code: 'store_not_recording',
      text: 'The store does not record: what happens now will be missing later.',
      remedy: 'Check the disk and the database file; the System page names the fault.',
      since: overview.at,
    },
    ...problems,
  ]
}

/** The sentence without what its list says one by one. */
export const shortText = ({ text, details }: Pick<RoomProblem, 'text' | 'details'>): string => {
  const from = details?.[0] === undefined ? -1 : text.indexOf(`: ${details[0]}`)
  return from <= 0 ? text : `${text.slice(0, from)}.`
}
