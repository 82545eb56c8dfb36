import type { peopleRoutes } from '../contract/api/people.ts'
import type { ApiOptions } from './context.ts'
import { pageOf } from './input.ts'
import type { Handlers } from './serve.ts'

/** Users and API tokens. */
export const peopleHandlers = ({ auth: { users, tokens } }: ApiOptions): Handlers<typeof peopleRoutes> => ({
  listUsers: async ({ query }) =>
    pageOf('users', await users.list(), (user) => `${user.createdAt} ${user.email}`, query),
  createUser: async ({ body, caller }) => users.create(await body(), caller),
  changeUser: async ({ params, body, caller }) => users.change(params.id, await body(), caller),
  removeUser: ({ params, caller }) => users.remove(params.id, caller),
  listTokens: ({ query }) => pageOf('tokens', tokens.list(), (token) => token.id, query),
  createToken: async ({ body, caller }) => tokens.create(await body(), caller),
  removeToken: ({ params, caller }) => tokens.remove(params.id, caller),
})
