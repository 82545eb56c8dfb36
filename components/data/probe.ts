import { useMutation } from '@tanstack/react-query'
import type { NodeProbeAnswer } from '@/server/contract/answers/node-probe.ts'
import type { NodeProbeRequest } from '@/server/contract/probe.ts'
import { post } from './http.ts'

/** Looks at a system that is not watched yet. */
export const useNodeProbe = () =>
  useMutation({ mutationFn: (request: NodeProbeRequest) => post<NodeProbeAnswer>('/nodes/probe', request) })
