-- One thread's requests of a measurement, made beforehand so that sending them costs little; what came of all of them as JSON.
-- Arguments: operation, token.
local threads, customers, items, orders = 0, 2000, 500, 20000
local requests, many = {}, 2000

function setup(thread)
	thread:set("id", threads)
	threads = threads + 1
end

local function order()
	return string.format("/api/resource/Sales%%20Order/SO-B-%05d", math.random(0, orders - 1))
end

local function list(limit, filters)
	return "/api/resource/Sales%20Order?fields=%5B%22name%22%2C%22customer%22%2C%22status%22%2C%22grand_total%22%2C%22modified%22%5D" ..
		"&order_by=modified+desc&limit=" .. limit .. "&limit_page_length=" .. limit .. (filters or "")
end

local operations = {
	ping = function() return wrk.format("GET", "/api/method/ping") end,
	list20 = function() return wrk.format("GET", list(20)) end,
	list500 = function() return wrk.format("GET", list(500)) end,
	filter = function()
		local n = math.random(0, orders - 1)
		return wrk.format("GET", list(20, string.format(
			"&filters=%%5B%%5B%%22customer%%22%%2C%%22%%3D%%22%%2C%%22Cust+%d%%22%%5D%%2C%%5B%%22Sales+Order+Item%%22%%2C%%22item_code%%22%%2C%%22%%3D%%22%%2C%%22I%d%%22%%5D%%5D",
			n % customers, (n + 2) % items)))
	end,
	get = function() return wrk.format("GET", order()) end,
	update = function()
		local status = ({"Draft", "To Deliver", "Completed"})[math.random(3)]
		return wrk.format("PUT", order(), nil, string.format('{"status":"%s","grand_total":%d.25}', status, math.random(1000)))
	end,
	create = function()
		local rows = {}
		for i = 1, 5 do
			rows[i] = string.format('{"item_code":"I%d","qty":%d,"rate":2,"amount":%d}', math.random(0, items - 1), i, 2 * i)
		end
		return wrk.format("POST", "/api/resource/Sales%20Order", nil, string.format(
			'{"naming_series":"SO-.YYYY.-.#####","customer":"Cust %d","transaction_date":"2024-05-05","grand_total":100.5,"items":[%s]}',
			math.random(0, customers - 1), table.concat(rows, ",")))
	end,
}

function init(args)
	orders = tonumber(args[3])
	math.randomseed(os.time() * 1000 + id * 17)
	wrk.headers["Authorization"] = "token " .. args[2]
	wrk.headers["Content-Type"] = "application/json"
	for i = 1, many do
		requests[i] = operations[args[1]]()
	end
end

function request()
	return requests[math.random(many)]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format('\n{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"errors":%d}\n', summary.requests, summary.duration / 1e6,
		latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
