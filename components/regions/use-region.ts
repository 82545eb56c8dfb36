import { useMemo } from 'react'
import { isActiveDrain } from '@/server/contract/drain-rules.ts'
import { useOverview } from '../data/overview.ts'

/** One region with its nodes, out of the overview that is kept live anyway. */
export const useRegion = (id: string) => {
  const overview = useOverview()
  const { data } = overview
  const found = useMemo(
    () => ({
      region: data?.regions.find((region) => region.id === id),
      nodes: data?.nodes.filter((node) => node.region === id) ?? [],
      drain: data?.drains.find((drain) => drain.region === id && isActiveDrain(drain)),
    }),
    [data, id],
  )
  return { overview, ...found }
}
