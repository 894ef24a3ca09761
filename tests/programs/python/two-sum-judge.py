import sys
class Solution:
    def twoSum(self, nums, target):
        seen = {}
        for i, x in enumerate(nums):
            if target - x in seen:
                return [seen[target - x], i]
            seen[x] = i
def main():
    for line in sys.stdin:
        *nums, target = map(int, line.split())
        print(Solution().twoSum(nums, target))
if __name__ == "__main__":
    main()
