import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Scenario } from '@/server/contract/answers/demo.ts'
import type { ScenarioName } from '@/server/contract/demo.ts'
import type { Page } from '@/server/contract/ids.ts'
import { get, post, remove } from './http.ts'

const scenariosOf = (data: Page<Scenario> | Scenario[]): Scenario[] =>
  Array.isArray(data) ? data : data.items

export const useScenarios = (enabled: boolean) =>
  useQuery({
    queryKey: ['scenarios'],
    queryFn: ({ signal }) => get<Page<Scenario>>('/demo/scenarios', signal),
    select: scenariosOf,
    enabled,
    refetchInterval: 5000,
    retry: false,
  })

export const useScenarioSwitch = () => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ name, run }: { name: ScenarioName; run: boolean }) =>
      run ? post<unknown>(`/demo/scenarios/${name}`, {}) : remove(`/demo/scenarios/${name}`),
    onSettled: () => client.invalidateQueries({ queryKey: ['scenarios'] }),
  })
}
