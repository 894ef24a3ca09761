print(input())
print(input("more? "))
