package sample

type clock struct{}
