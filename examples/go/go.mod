module example.org/editor

go 1.19
