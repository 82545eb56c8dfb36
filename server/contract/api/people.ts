import { tokenCreateSchema, userCreateSchema, userPatchSchema } from '../access.ts'
import { apiTokenPageSchema, newApiTokenSchema } from '../answers/token.ts'
import { userPageSchema, userSchema } from '../answers/user.ts'
import { pageQuery } from './parameters.ts'
import { route, V1, withId } from './route.ts'

const tag = 'People and tokens'

/** Users and API tokens. */
export const peopleRoutes = {
  listUsers: route({
    method: 'GET',
    path: `${V1}/users`,
    tag,
    role: 'admin',
    summary: 'All users',
    query: pageQuery,
    answer: userPageSchema,
  }),
  createUser: route({
    method: 'POST',
    path: `${V1}/users`,
    tag,
    role: 'admin',
    summary: 'Adds a user',
    body: userCreateSchema,
    answer: userSchema,
    status: 201,
    errors: ['ERR_CONFLICT'],
  }),
  changeUser: route({
    method: 'PATCH',
    path: `${V1}/users/:id`,
    tag,
    role: 'admin',
    summary: "Changes a user's role or password, and ends their sessions",
    params: withId,
    body: userPatchSchema,
    answer: userSchema,
    errors: ['ERR_CONFLICT'],
  }),
  removeUser: route({
    method: 'DELETE',
    path: `${V1}/users/:id`,
    tag,
    role: 'admin',
    summary: 'Removes a user and ends their sessions',
    params: withId,
    errors: ['ERR_CONFLICT'],
  }),
  listTokens: route({
    method: 'GET',
    path: `${V1}/tokens`,
    tag,
    role: 'admin',
    summary: 'All API tokens, without their values',
    query: pageQuery,
    answer: apiTokenPageSchema,
  }),
  createToken: route({
    method: 'POST',
    path: `${V1}/tokens`,
    tag,
    role: 'admin',
    summary: 'Creates an API token; its value is in this answer and nowhere else',
    body: tokenCreateSchema,
    answer: newApiTokenSchema,
    status: 201,
  }),
  removeToken: route({
    method: 'DELETE',
    path: `${V1}/tokens/:id`,
    tag,
    role: 'admin',
    summary: 'Revokes an API token at once',
    params: withId,
  }),
}
