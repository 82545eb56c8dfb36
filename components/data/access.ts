import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { ApiToken, AuditRow, NewApiToken, SystemInfo, User } from '@/server/contract/access.ts'
import type { Page } from '@/server/contract/ids.ts'
import type { Role } from '@/server/contract/states.ts'
import { get, patch, post, remove } from './http.ts'

export const useUsers = (enabled: boolean) =>
  useQuery({ queryKey: ['users'], queryFn: ({ signal }) => get<Page<User>>('/users', signal), enabled })
export const useTokens = (enabled: boolean) =>
  useQuery({ queryKey: ['tokens'], queryFn: ({ signal }) => get<Page<ApiToken>>('/tokens', signal), enabled })
export const useAudit = () =>
  useQuery({
    queryKey: ['audit'],
    queryFn: ({ signal }) => get<Page<AuditRow>>('/audit?limit=100', signal),
    refetchInterval: 10_000,
  })
export const useSystem = () =>
  useQuery({
    queryKey: ['system'],
    queryFn: ({ signal }) => get<SystemInfo>('/system', signal),
    refetchInterval: 5000,
  })

export interface NewToken {
  name: string
  role: Role
  expiresAt?: string
}

/** Every change of users and tokens; the list it belongs to is read again afterwards. */
export const useAccessChanges = () => {
  const client = useQueryClient()
  const users = () => client.invalidateQueries({ queryKey: ['users'] })
  const tokens = () => client.invalidateQueries({ queryKey: ['tokens'] })
  return {
    addUser: useMutation({
      mutationFn: (user: { email: string; password: string; role: Role }) => post<User>('/users', user),
      onSuccess: users,
    }),
    changeRole: useMutation({
      mutationFn: ({ id, role }: { id: string; role: Role }) =>
        patch<User>(`/users/${encodeURIComponent(id)}`, { role }),
      onSettled: users,
    }),
    removeUser: useMutation({
      mutationFn: (id: string) => remove(`/users/${encodeURIComponent(id)}`),
      onSettled: users,
    }),
    addToken: useMutation({
      mutationFn: (token: NewToken) => post<NewApiToken>('/tokens', token),
      onSuccess: tokens,
    }),
    removeToken: useMutation({
      mutationFn: (id: string) => remove(`/tokens/${encodeURIComponent(id)}`),
      onSettled: tokens,
    }),
  }
}
