package admin

// jsonSchema describes the JSON of `show info` and `show stat`.
const jsonSchema = `{"$schema":"http://json-schema.org/draft-04/schema#","oneOf":[` +
	`{"title":"Info","type":"array","items":{"$ref":"#/definitions/item"}},` +
	`{"title":"Stat","type":"array","items":{"type":"array",` +
	`"items":{"allOf":[{"$ref":"#/definitions/item"},{"properties":{` +
	`"objType":{"enum":["Frontend","Backend","Listener","Server"]},` +
	`"proxyId":{"type":"integer","minimum":0},"id":{"type":"integer","minimum":0}},` +
	`"required":["objType","proxyId","id"]}]}}}],` +
	`"definitions":{"item":{"type":"object","properties":{` +
	`"field":{"type":"object","properties":{"pos":{"type":"integer","minimum":0},` +
	`"name":{"type":"string"}},"required":["pos","name"]},` +
	`"processNum":{"type":"integer","minimum":1},` +
	`"tags":{"type":"object","properties":{"origin":{"enum":["Metric","Status","Key","Config","Product","Unknown"]},` +
	`"nature":{"enum":["Gauge","Limit","Min","Max","Rate","Counter",` +
	`"Duration","Age","Time","Name","Output","Avg","Unknown"]},` +
	`"scope":{"enum":["Cluster","Process","Service","System","Unknown"]}},"required":["origin","nature","scope"]},` +
	`"value":{"oneOf":[{"properties":{"type":{"enum":["u32","s32","u64","s64"]},"value":{"type":"integer"}}},` +
	`{"properties":{"type":{"enum":["str"]},"value":{"type":"string"}}}],"required":["type","value"]}},` +
	`"required":["field","processNum","tags","value"]}}}`
