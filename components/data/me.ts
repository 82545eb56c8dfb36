import { useQuery } from '@tanstack/react-query'
import type { Me } from '@/server/contract/access.ts'
import { type Role, roleAllows } from '@/server/contract/states.ts'
import { get } from './http.ts'

export const useMe = () =>
  useQuery({ queryKey: ['me'], queryFn: ({ signal }) => get<Me>('/me', signal), staleTime: 60_000 })

/** Whether the user who is signed in may do what `role` may; false while that is not known. */
export const useMay = (role: Role): boolean => {
  const { data } = useMe()
  return data ? roleAllows(data.role, role) : false
}
