#include "components/state/redis_scripts.h"

namespace outrigger::components::state::redis_scripts {

// A key of another type than hash (a string of very old versions, say) counts as absent and is
// replaced.
const redis::Script set(R"(
local found = redis.pcall('HMGET', KEYS[1], 'version', 'first-write')
if found.err then
  redis.call('DEL', KEYS[1])
elseif found[1] and found[1] ~= '' and found[1] ~= ARGV[1]
    and (found[2] or ARGV[1] ~= '0') then
  return false
end
if ARGV[3] == '0' then
  redis.call('HSET', KEYS[1], 'data', ARGV[2], 'first-write', '0')
else
  redis.call('HSET', KEYS[1], 'data', ARGV[2])
end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
if ARGV[4] ~= '' then
  if tonumber(ARGV[4]) > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[4])
  else
    redis.call('PERSIST', KEYS[1])
  end
end
return version
)");

const redis::Script remove(R"(
local version = redis.pcall('HGET', KEYS[1], 'version')
if type(version) == 'string' and version ~= '' and version ~= ARGV[1] and ARGV[1] ~= '0' then
  return false
end
return redis.call('DEL', KEYS[1])
)");

const redis::Script set_json(R"(
local version = redis.pcall('JSON.GET', KEYS[1], '.version')
if type(version) == 'table' then
  redis.call('DEL', KEYS[1])
end
if type(version) ~= 'string' or version == '' then
  version = ARGV[1]
end
local marked = type(redis.pcall('JSON.GET', KEYS[1], '.first-write')) == 'string'
if version ~= ARGV[1] and (marked or ARGV[1] ~= '0') then
  return false
end
redis.call('JSON.SET', KEYS[1], '$', ARGV[2])
if ARGV[3] == '0' then
  redis.call('JSON.SET', KEYS[1], '.first-write', 0)
end
redis.call('JSON.SET', KEYS[1], '.version', string.format('%.0f', version + 1))
if ARGV[4] ~= '' then
  if tonumber(ARGV[4]) > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[4])
  else
    redis.call('PERSIST', KEYS[1])
  end
end
return version + 1
)");

const redis::Script remove_json(R"(
local version = redis.pcall('JSON.GET', KEYS[1], '.version')
if type(version) == 'string' and version ~= '' and version ~= ARGV[1] and ARGV[1] ~= '0' then
  return false
end
return redis.call('DEL', KEYS[1])
)");

// First every operation is tried on what the ones before it would have left, then all are done.
const redis::Script transaction(R"(
local seen = {}
local function look(key, json)
  local item = seen[key]
  if item then return item end
  local version, marked
  if json then
    version = redis.pcall('JSON.GET', key, '.version')
    marked = type(redis.pcall('JSON.GET', key, '.first-write')) == 'string'
  else
    local found = redis.pcall('HMGET', key, 'version', 'first-write')
    version, marked = found[1], found[2]
  end
  if type(version) ~= 'string' or version == '' then
    version, marked = nil, nil
  elseif not tonumber(version) then
    error('the version of ' .. key .. ' is not a number')
  end
  item = {version = version, marked = marked}
  seen[key] = item
  return item
end
for i, key in ipairs(KEYS) do
  local kind, etag = ARGV[4 * i - 3], ARGV[4 * i - 2]
  local json = kind == 'jset' or kind == 'jdel'
  local item = look(key, json)
  local known = item.version
  if kind == 'set' or kind == 'jset' then
    if known and known ~= etag and (item.marked or etag ~= '0') then return i end
    local start = known or (json and etag) or '0'
    item.version = string.format('%.0f', start + 1)
  else
    if known and known ~= etag and etag ~= '0' then return i end
    item.version, item.marked = nil, nil
  end
end
for i, key in ipairs(KEYS) do
  local kind, etag = ARGV[4 * i - 3], ARGV[4 * i - 2]
  local value, ttl = ARGV[4 * i - 1], ARGV[4 * i]
  if kind == 'set' then
    if redis.call('TYPE', key).ok ~= 'hash' then redis.call('DEL', key) end
    redis.call('HSET', key, 'data', value)
    redis.call('HINCRBY', key, 'version', 1)
  elseif kind == 'jset' then
    local version = redis.pcall('JSON.GET', key, '.version')
    if type(version) ~= 'string' or version == '' then
      redis.call('DEL', key)
      version = etag
    end
    redis.call('JSON.SET', key, '$', value)
    redis.call('JSON.SET', key, '.version', string.format('%.0f', version + 1))
  else
    redis.call('DEL', key)
  end
  if ttl ~= '' then
    if tonumber(ttl) > 0 then
      redis.call('EXPIRE', key, ttl)
    else
      redis.call('PERSIST', key)
    end
  end
end
return 0
)");

}  // namespace outrigger::components::state::redis_scripts
